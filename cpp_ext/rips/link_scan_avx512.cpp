// Link scan with 512-bit registers; compiled with -mavx512f and reached only where the machine has it.
#if defined(TOPO_INTERP_X86)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "rips/link_scan.hpp"

namespace topo_interp::scan_avx512 {
namespace {

inline __m512i load(const std::uint64_t* from) { return _mm512_loadu_si512(from); }
inline bool nonzero(__m512i value) { return _mm512_test_epi64_mask(value, value) != 0; }

inline bool outside(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c) {
  const __m512i value = _mm512_and_si512(_mm512_andnot_si512(load(c), load(a)), load(b));
  _mm512_storeu_si512(out, value);
  return nonzero(value);
}
inline bool meet4(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c, const std::uint64_t* d) {
  return nonzero(_mm512_and_si512(_mm512_and_si512(load(a), load(b)), _mm512_and_si512(load(c), load(d))));
}
inline bool meet(const std::uint64_t* a, const std::uint64_t* b) { return _mm512_test_epi64_mask(load(a), load(b)) != 0; }
inline bool store_and(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const __m512i value = _mm512_and_si512(load(a), load(b));
  _mm512_storeu_si512(out, value);
  return nonzero(value);
}
inline bool store_without(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const __m512i value = _mm512_andnot_si512(load(b), load(a));
  _mm512_storeu_si512(out, value);
  return nonzero(value);
}

}  // namespace

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_avx512
#endif
