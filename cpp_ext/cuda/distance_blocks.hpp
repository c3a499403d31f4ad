// Distances of n points in blocks on the device, never all at once: what the algorithms without a matrix read there.
#pragma once
#include <cstdint>
#include <memory>

#include "cuda/cloud.hpp"
#include "cuda/device.hpp"
#include "interrupt.hpp"
#include "rips/edge_order.hpp"

namespace topo_interp::cuda {

// The same pair has the same bits in every block that holds it, in either order.
template <class T>
class DistanceBlocks {
 public:
  virtual ~DistanceBlocks() = default;
  virtual std::int64_t size() const = 0;
  // Rows and columns of a block begin at multiples of this and are at most as many; 0: blocks are free.
  virtual std::int64_t side() const { return 0; }
  // Queues on the stream: rows [i0, i1) against columns [j0, j1), to out[(i - i0) * (j1 - j0) + (j - j0)]. What stands on the
  // diagonal is not looked at.
  virtual void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, T* out) = 0;
  // One row against all, likewise.
  virtual void row(const Execution& on, std::int64_t i, T* out) = 0;
  // Bound on the rounding of the distances, where the source knows one.
  virtual double rounding() const { return 0; }
};

// The entries of a matrix on the host, copied to the device. The control may stop both while they load, and is kept.
std::unique_ptr<DistanceBlocks<float>> blocks_of_matrix(const Execution& on, const Condensed& matrix, const Control& control);

// The distances that pairwise computes. `tiles`: blocks that the caller holds at a time; `fixed`: bytes that it takes besides;
// `budget` as there.
template <class T>
std::unique_ptr<DistanceBlocks<T>> blocks_of_points(const Execution& on, const GivenPoints& points, MetricKind metric,
                                                    std::int64_t tiles, std::int64_t fixed, std::int64_t budget,
                                                    const Control& control);

}  // namespace topo_interp::cuda
