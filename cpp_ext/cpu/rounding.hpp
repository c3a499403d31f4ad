// A proved bound on the rounding of distances that were computed by products of centered rows with near pairs recomputed.
#pragma once
#include <cstdint>

#include "cpu/tile.hpp"

namespace topo_interp {

struct RoundingCase {
  bool single;  // stored and multiplied as float32, else float64
  MetricKind metric;
  bool unit_rows;
  std::int64_t cols, chain;
  double recompute;
};

// A bound on |stored - exact| over all pairs that went into `stats`, of which `largest` is the largest distance.
double rounding_bound(const RoundingCase& of, const TileStats& stats, double largest);

}  // namespace topo_interp
