// A cloud on the device, prepared for the tile kernels: centered rows in blocks, all of them at once or a few at a time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/cloud.hpp"
#include "cuda/kernel.cuh"
#include "cuda/lanes.cuh"
#include "cuda/memory.cuh"
#include "interrupt.hpp"

namespace topo_interp::cuda {

// What all kernels of one computation agree on.
struct TileRules {
  MetricKind metric;
  std::int64_t cols;
  std::int64_t pitch;  // entries from one packed row to the next
  std::int64_t words;  // of a sign pattern
  std::int64_t chain;  // length of the accumulation chains, a multiple of the depth of a slice
  double recompute, underflow;
};

// Rows on the device. Which of the pointers are set depends on the metric.
template <class T>
struct Operand {
  const T* packed;              // rows x pitch: centered, in the order of summation, zeros at the end
  const double* squared_norms;  // of packed rows, for products
  const T* given;               // rows x cols as handed in, for pairs that are recomputed
  std::int64_t given_stride;
  const double* scale;  // unit rows are (row - shift) * scale; null otherwise
  const double* shift;
  const Count* bits;  // sign patterns, for hamming
  std::int64_t rows;
};

// The center and the order of coordinates, functions of all rows of all clouds of one computation.
template <class T>
class Preparation {
 public:
  Preparation(const std::vector<GivenPoints>& clouds, MetricKind metric, const Execution& on);
  const TileRules& rules() const { return rules_; }
  const double* center() const { return center_.data(); }          // in the order of summation; null for other metrics
  const std::int32_t* order() const { return order_.data(); }     // null: as given
  bool unit_rows() const { return facts_.unit_rows; }
  bool centered_rows() const { return facts_.centered_rows; }

 private:
  TileRules rules_{};
  device::ProductFacts facts_{};
  DeviceBuffer<double> center_;
  DeviceBuffer<std::int32_t> order_;
};

// The offset of 16-bit rows, on the device; empty where there is none.
DeviceBuffer<float> offset_of(const GivenPoints& points, const Execution& on);

// Bytes that a prepared row takes.
template <class T>
std::int64_t prepared_row_bytes(const GivenPoints& points, MetricKind metric);

// The prepared rows of one cloud. `side` rows make a block (the last has fewer).
template <class T>
class Cloud {
 public:
  // What stays on the device is loaded here; throws Interrupted when the control, which the cloud keeps, asks to stop.
  Cloud(const GivenPoints& points, const Preparation<T>& preparation, std::int64_t side, bool streamed, const Execution& on,
        const Control& control);
  ~Cloud();
  Cloud(const Cloud&) = delete;
  Cloud& operator=(const Cloud&) = delete;

  std::int64_t rows() const { return points_.rows; }
  std::int64_t side() const { return side_; }
  std::int64_t blocks() const { return pieces(points_.rows, side_); }
  std::int64_t first_row(std::int64_t block) const { return block * side_; }
  std::int64_t rows_of(std::int64_t block) const { return std::min(side_, points_.rows - first_row(block)); }
  const Preparation<T>& preparation() const { return preparation_; }
  const Execution& on() const { return on_; }

  // A block, ready for what is queued on the stream from now on. When streamed it stays until two others have been asked for.
  Operand<T> block(std::int64_t index);
  // Begins to load a block beside what the device computes; does nothing where it is there.
  void prefetch(std::int64_t index);

 private:
  struct Slot;
  Slot& slot_of(std::int64_t index);
  void load(Slot& slot, std::int64_t index);

  GivenPoints points_;
  const Preparation<T>& preparation_;
  std::int64_t side_;
  bool streamed_;
  Execution on_;
  const Control& control_;
  const DeviceBuffer<float> offset_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<CopyStream> copies_;  // after the slots, so that it ends before the memory that it copies from
  std::int64_t clock_ = 0;
};

// Chosen rows side by side, prepared like the others; memory for up to `most` of them.
template <class T>
class ChosenRows {
 public:
  explicit ChosenRows(std::int64_t most) : list_(most) {}
  // Stays until the next choice.
  Operand<T> choose(Cloud<T>& cloud, const std::vector<std::int32_t>& rows);

 private:
  DeviceBuffer<std::int32_t> list_;
  DeviceBuffer<T> packed_, given_;
  DeviceBuffer<double> norms_, scale_, shift_;
  DeviceBuffer<Count> bits_;
};

}  // namespace topo_interp::cuda
