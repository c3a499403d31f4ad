// Farthest points in greedy order, and how much a choice of landmarks distorts the distances.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/distance_source.hpp"
#include "interrupt.hpp"

namespace topo_interp {

// A greedy order that can be gone on with: what is known about every row with regard to the landmarks so far.
template <class T>
struct Landmarks {
  std::vector<std::int64_t> indices;  // rows, in the order of their choice
  std::vector<T> insertion_radii;     // distance to the landmarks before it; infinite for the first
  std::vector<std::int64_t> nearest;  // of each row, the place in `indices` of its nearest landmark (the first of several)
  std::vector<T> distances;           // of each row to that landmark
};

// Adds the farthest row (the first of several) until there are k <= size landmarks. `landmarks` holds at least `start`, a
// row to begin with, or what an earlier call left.
template <class T>
void add_farthest_points(const DistanceSource<T>& source, std::int64_t k, std::int64_t start, Landmarks<T>& landmarks,
                         int threads, Control& control);

// The largest of D(px, py) - D(x, y) and D(x, py) - D(x, y) over pairs x != y with D(x, y) <= up_to, where p maps a row to its
// landmark; at least 0. The differences are taken in float64.
template <class T>
double largest_distortion(const DistanceSource<T>& source, const std::vector<std::int32_t>& landmarks,
                          const std::vector<std::int32_t>& nearest, double up_to, int threads, Control& control);

// The largest D(x, y) - E(x, y) and the largest E(x, y) - D(x, y) over all pairs, each at least 0.
struct Differences {
  double above = 0, below = 0;
};
template <class T>
Differences largest_differences(const DistanceSource<T>& d, const DistanceSource<T>& e, int threads, Control& control);

}  // namespace topo_interp
