// Link scan on plain 64-bit words: the reference, and the only one off x86.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "rips/link_scan.hpp"

namespace topo_interp::scan_scalar {

struct Block {
  std::uint64_t word[8];
  static Block load(const std::uint64_t* from) {
    return {from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]};
  }
  void store(std::uint64_t* to) const {
    for (int k = 0; k < 8; ++k) to[k] = word[k];
  }
  bool any() const {
    return (word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7]) != 0;
  }
  Block operator&(Block other) const {
    Block out;
    for (int k = 0; k < 8; ++k) out.word[k] = word[k] & other.word[k];
    return out;
  }
  Block operator|(Block other) const {
    Block out;
    for (int k = 0; k < 8; ++k) out.word[k] = word[k] | other.word[k];
    return out;
  }
  Block without(Block other) const {
    Block out;
    for (int k = 0; k < 8; ++k) out.word[k] = word[k] & ~other.word[k];
    return out;
  }
};

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_scalar
