// Neighbour graphs and the distortion of landmarks on the device, in one pass over panels; plain C++.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/neighbors.hpp"
#include "cuda/cloud.hpp"
#include "interrupt.hpp"

namespace topo_interp::cuda {

template <class T>
struct NearestRows {
  std::vector<std::int64_t> indices;  // n x k, nearest first, equal distances by index
  std::vector<T> distances;
};

// The k nearest neighbours of every row, itself left out: 1 <= k <= rows - 1. `budget`: bytes of the device, 0 for what is free.
template <class T>
NearestRows<T> nearest_neighbors(const GivenPoints& x, MetricKind metric, std::int64_t k, std::int64_t budget, const Execution& on,
                                 Control& control);

// All pairs at distance <= radius. Throws OverBudget when there are more than `most_pairs`. `rounding` receives the bound.
template <class T>
RadiusGraph<T> radius_graph(const GivenPoints& x, MetricKind metric, T radius, std::int64_t most_pairs, std::int64_t budget,
                            const Execution& on, Control& control, double& rounding);

// Bytes of the host that it takes for a pair at its peak: two entries as they were found, and two in the result.
template <class T>
constexpr std::int64_t found_bytes_per_pair() {
  return static_cast<std::int64_t>(2 * (sizeof(std::int32_t) + sizeof(T)) + 2 * (sizeof(std::int64_t) + sizeof(T)));
}

// cpu/landmarks.hpp, largest_distortion. `rounding` receives the bound on all distances that went into it.
template <class T>
double largest_distortion(const GivenPoints& x, MetricKind metric, const std::vector<std::int32_t>& landmarks,
                          const std::vector<std::int32_t>& nearest, double up_to, std::int64_t budget, const Execution& on,
                          Control& control, double& rounding);

}  // namespace topo_interp::cuda
