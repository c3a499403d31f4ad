// The bound on the rounding of distances from the device: that of the CPU, whose rules they follow, for chains of the device's
// length (whole slices of its tiles; a fused multiply-add rounds once). Recomputed pairs are summed in double, which the bound
// for float32 covers.
#pragma once
#include "cpu/rounding.hpp"
#include "cuda/tiles.cuh"

namespace topo_interp::cuda {

template <class T>
double proved_rounding(const Preparation<T>& preparation, const DeviceStats& found) {
  const TileRules& rules = preparation.rules();
  TileStats stats;
  stats.largest_ratio = found.largest_ratio;
  stats.largest_sum = found.largest_sum;
  stats.largest_recomputed = found.largest_recomputed;
  return rounding_bound({sizeof(T) == sizeof(float), rules.metric, preparation.unit_rows(), rules.cols, rules.chain, rules.recompute},
                        stats, found.largest);
}

}  // namespace topo_interp::cuda
