// Distances of n points in blocks on the device, never all at once: what the algorithms without a matrix read there.
#pragma once
#include <cstdint>
#include <memory>

#include "cuda/device.hpp"
#include "rips/edge_order.hpp"

namespace topo_interp::cuda {

// The same pair has the same bits in every block that holds it, in either order.
template <class T>
class DistanceBlocks {
 public:
  virtual ~DistanceBlocks() = default;
  virtual std::int64_t size() const = 0;
  // Queues on the stream: rows [i0, i1) against columns [j0, j1), to out[(i - i0) * (j1 - j0) + (j - j0)]. What stands on the
  // diagonal is not looked at.
  virtual void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, T* out) const = 0;
  // Bound on the rounding of the distances, where the source knows one.
  virtual double rounding() const { return 0; }
};

// The entries of a matrix: copied to the device, or read where they are.
std::shared_ptr<const DistanceBlocks<float>> blocks_of_matrix(const Execution& on, const Condensed& matrix, bool on_device);

}  // namespace topo_interp::cuda
