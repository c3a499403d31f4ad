// Distances of all pairs on the device; plain C++.
#pragma once
#include <cstdint>

#include "cuda/cloud.hpp"
#include "interrupt.hpp"

namespace topo_interp::cuda {

// Distances of the rows of x to those of y (of x where y is null) into out[i * columns + j], memory of the host or the device.
// `budget` in bytes of device memory, 0 for what is free. Accuracy, symmetry and zeros as on the CPU (cpu/pairwise.hpp).
template <class T>
void pairwise(const GivenPoints& x, const GivenPoints* y, MetricKind metric, T* out, bool out_on_device, std::int64_t budget,
              const Execution& on, Control& control);

// The upper triangle in scipy's condensed order into memory of the host; returns a bound on the rounding of its entries.
template <class T>
double condensed(const GivenPoints& x, MetricKind metric, float* out, std::int64_t budget, const Execution& on, Control& control);

}  // namespace topo_interp::cuda
