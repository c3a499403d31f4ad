// Components that grow by joining (union by size, path halving).
#pragma once
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace topo_interp {

class Forest {
 public:
  explicit Forest(std::uint64_t n) : parent_(n), size_(n, 1), components_(static_cast<std::int64_t>(n)) {
    std::iota(parent_.begin(), parent_.end(), std::uint32_t{0});
  }
  std::uint32_t root(std::uint32_t v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  // Whether they were apart.
  bool join(std::uint32_t u, std::uint32_t v) {
    u = root(u);
    v = root(v);
    if (u == v) return false;
    if (size_[u] < size_[v]) std::swap(u, v);
    parent_[v] = u;
    size_[u] += size_[v];
    --components_;
    return true;
  }
  std::int64_t components() const { return components_; }

 private:
  std::vector<std::uint32_t> parent_, size_;
  std::int64_t components_;
};

}  // namespace topo_interp
