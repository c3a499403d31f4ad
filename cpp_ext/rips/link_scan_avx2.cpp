// Link scan with 256-bit registers; compiled with -mavx2 and reached only where the machine has it.
#if defined(TOPO_INTERP_X86)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "rips/link_scan.hpp"

namespace topo_interp::scan_avx2 {
namespace {

using Half = __m256i;
inline Half load(const std::uint64_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Half*>(from)); }
inline void store(std::uint64_t* to, Half value) { _mm256_storeu_si256(reinterpret_cast<Half*>(to), value); }
inline bool nonzero(Half value) { return _mm256_testz_si256(value, value) == 0; }

inline bool outside(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c) {
  const Half low = _mm256_andnot_si256(load(c), _mm256_and_si256(load(a), load(b)));
  const Half high = _mm256_andnot_si256(load(c + 4), _mm256_and_si256(load(a + 4), load(b + 4)));
  store(out, low);
  store(out + 4, high);
  return nonzero(_mm256_or_si256(low, high));
}
inline bool meet4(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c, const std::uint64_t* d) {
  const Half low = _mm256_and_si256(_mm256_and_si256(load(a), load(b)), _mm256_and_si256(load(c), load(d)));
  const Half high = _mm256_and_si256(_mm256_and_si256(load(a + 4), load(b + 4)), _mm256_and_si256(load(c + 4), load(d + 4)));
  return nonzero(_mm256_or_si256(low, high));
}
inline bool meet(const std::uint64_t* a, const std::uint64_t* b) {
  return nonzero(_mm256_or_si256(_mm256_and_si256(load(a), load(b)), _mm256_and_si256(load(a + 4), load(b + 4))));
}
inline bool store_and(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const Half low = _mm256_and_si256(load(a), load(b)), high = _mm256_and_si256(load(a + 4), load(b + 4));
  store(out, low);
  store(out + 4, high);
  return nonzero(_mm256_or_si256(low, high));
}
inline bool store_without(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const Half low = _mm256_andnot_si256(load(b), load(a)), high = _mm256_andnot_si256(load(b + 4), load(a + 4));
  store(out, low);
  store(out + 4, high);
  return nonzero(_mm256_or_si256(low, high));
}

}  // namespace

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_avx2
#endif
