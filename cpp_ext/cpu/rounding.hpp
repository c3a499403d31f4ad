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

// The rounding error of a product grows with the length of a chain of additions in T times the size of its partial sums. A
// chain of 2 sqrt(d) keeps the error of a whole product near u/2 of |x||y| for every d, at a cost in conversions that falls as
// d grows. A multiple of `step`, which divides 16.
std::int64_t chain_length(bool single, bool products, std::int64_t cols, std::int64_t step);

// Of metrics that are functions of Euclidean distances: no distance e that the function is applied to is less than
// (1 - this) d, d > 2^-499 the exact one (squares of shorter ones underflow), and neither is the value less than the function of that.
double relative_rounding(const RoundingCase& of);

// How far the distance of two unit rows, as they are made in double, can be from that of exact ones.
double unit_row_error(std::int64_t cols);

// A bound on |stored - exact| over all pairs that went into `stats`, of which `largest` is the largest distance.
double rounding_bound(const RoundingCase& of, const TileStats& stats, double largest);

}  // namespace topo_interp
