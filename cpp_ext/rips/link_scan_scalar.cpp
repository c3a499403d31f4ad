// Link scan on plain 64-bit words: the reference, and the only one off x86.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "rips/link_scan.hpp"

namespace topo_interp::scan_scalar {
namespace {

inline bool outside(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c) {
  std::uint64_t any = 0;
  for (int k = 0; k < 8; ++k) any |= out[k] = a[k] & b[k] & ~c[k];
  return any != 0;
}
inline bool meet4(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c, const std::uint64_t* d) {
  std::uint64_t any = 0;
  for (int k = 0; k < 8; ++k) any |= a[k] & b[k] & c[k] & d[k];
  return any != 0;
}
inline bool meet(const std::uint64_t* a, const std::uint64_t* b) {
  std::uint64_t any = 0;
  for (int k = 0; k < 8; ++k) any |= a[k] & b[k];
  return any != 0;
}
inline bool store_and(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  std::uint64_t any = 0;
  for (int k = 0; k < 8; ++k) any |= out[k] = a[k] & b[k];
  return any != 0;
}
inline bool store_without(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  std::uint64_t any = 0;
  for (int k = 0; k < 8; ++k) any |= out[k] = a[k] & ~b[k];
  return any != 0;
}

}  // namespace

#include "rips/link_scan.inl"

}  // namespace topo_interp::scan_scalar
