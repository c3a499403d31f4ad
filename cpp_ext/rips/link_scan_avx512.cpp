// Link scan with 512-bit registers; compiled with -mavx512f and reached only where the machine has it.
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

namespace topo_interp::scan_avx512 {

struct Block {
  __m512i v;
  static Block load(const std::uint64_t* from) { return {_mm512_loadu_si512(from)}; }
  void store(std::uint64_t* to) const { _mm512_storeu_si512(to, v); }
  bool any() const { return _mm512_test_epi64_mask(v, v) != 0; }
  Block operator&(Block other) const { return {_mm512_and_si512(v, other.v)}; }
  Block operator|(Block other) const { return {_mm512_or_si512(v, other.v)}; }
  Block without(Block other) const { return {_mm512_andnot_si512(other.v, v)}; }
};

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_avx512
#endif
