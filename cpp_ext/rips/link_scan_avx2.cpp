// Link scan with 256-bit registers; compiled with -mavx2 and reached only where the machine has it.
#if defined(TOPO_INTERP_X86)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "rips/link_scan.hpp"

namespace topo_interp::scan_avx2 {

struct Block {
  __m256i low, high;
  static Block load(const std::uint64_t* from) {
    const auto* const at = reinterpret_cast<const __m256i*>(from);
    return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
  }
  void store(std::uint64_t* to) const {
    auto* const at = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(at, low);
    _mm256_storeu_si256(at + 1, high);
  }
  bool any() const {
    const __m256i both = _mm256_or_si256(low, high);
    return _mm256_testz_si256(both, both) == 0;
  }
  Block operator&(Block other) const { return {_mm256_and_si256(low, other.low), _mm256_and_si256(high, other.high)}; }
  Block operator|(Block other) const { return {_mm256_or_si256(low, other.low), _mm256_or_si256(high, other.high)}; }
  Block without(Block other) const { return {_mm256_andnot_si256(other.low, low), _mm256_andnot_si256(other.high, high)}; }
};

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_avx2
#endif
