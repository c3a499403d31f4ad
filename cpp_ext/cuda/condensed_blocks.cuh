// The blocks of a condensed matrix on the device.
#pragma once
#include "cuda/distance_blocks.hpp"
#include "cuda/warps.cuh"
#include "rips/edge_order.hpp"

namespace topo_interp::cuda {

struct CondensedEntry {
  Condensed matrix;
  std::uint64_t i0, j0, columns;
  float* out;
  TOPO_INTERP_DEVICE void operator()(std::int64_t k) const {
    const auto at = static_cast<std::uint64_t>(k);
    out[at] = matrix(i0 + at / columns, j0 + at % columns);
  }
};

class CondensedBlocks final : public DistanceBlocks {
 public:
  explicit CondensedBlocks(const Condensed& matrix) : matrix_(matrix) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(matrix_.n); }
  void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, float* out) const override {
    launch_items(on, (i1 - i0) * (j1 - j0), CondensedEntry{matrix_, static_cast<std::uint64_t>(i0), static_cast<std::uint64_t>(j0),
                                                           static_cast<std::uint64_t>(j1 - j0), out});
  }

 private:
  Condensed matrix_;
};

}  // namespace topo_interp::cuda
