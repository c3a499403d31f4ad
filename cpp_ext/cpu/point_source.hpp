// Distances of points, computed when a tile is asked for: the bits of the full matrix without the matrix.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cpu/aligned_buffer.hpp"
#include "cpu/distance_source.hpp"
#include "cpu/pairwise.hpp"

namespace topo_interp {

template <class T>
class PointSource final : public DistanceSource<T> {
 public:
  using DistanceSource<T>::side;
  static_assert(side == PairwiseDistances<T>::side);
  using typename DistanceSource<T>::Reader;

  // `rounding`: whether to gather what a bound on the rounding needs to know, at a few percent of the time.
  PointSource(MatrixView<T> points, MetricKind metric, Isa isa, int threads, bool rounding, const Control& control)
      : distances_(points, {nullptr, 0, 0, 0}, metric, isa, threads, control), rounding_(rounding) {}

  std::int64_t size() const override { return distances_.rows(); }
  std::unique_ptr<Reader> reader() const override { return std::make_unique<PointReader>(*this); }

  // Over all tiles of readers that have ended.
  double rounding() const {
    std::lock_guard<std::mutex> guard(lock_);
    return distances_.rounding(stats_, largest_);
  }

 private:
  class PointReader final : public Reader {
   public:
    explicit PointReader(const PointSource& source)
        : source_(source), scratch_(static_cast<std::size_t>(PairwiseDistances<T>::scratch_size)) {
      stats_.wanted = source.rounding_;
    }
    ~PointReader() override { source_.take_in(stats_, largest_); }

    void tile(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, T* out, const Control& control) override {
      const bool upper = i0 == j0;
      source_.distances_.tile(i0, i1, j0, j1, upper, scratch_.data(), out, side, stats_, control);
      if (stats_.wanted && !control.stopped()) {
        for (std::int64_t i = i0; i < i1; ++i) see(out + (i - i0) * side, upper ? i - i0 + 1 : 0, j1 - j0);
      }
    }
    void choose(const std::int32_t* rows, std::int64_t count) override { source_.distances_.gather(rows, count, chosen_); }
    void chosen_tile(std::int64_t j0, std::int64_t j1, T* out, const Control& control) override {
      source_.distances_.gathered_tile(chosen_, j0, j1, scratch_.data(), out, side, stats_, control);
      if (stats_.wanted && !control.stopped()) {
        for (std::int64_t i = 0; i < chosen_.rows; ++i) see(out + i * side, 0, j1 - j0);
      }
    }

   private:
    void see(const T* row, std::int64_t from, std::int64_t to) {
      T largest = 0;
      for (std::int64_t j = from; j < to; ++j) largest = std::max(largest, row[j]);
      largest_ = std::max(largest_, static_cast<double>(largest));
    }
    const PointSource& source_;
    AlignedBuffer<double> scratch_;
    GatheredRows<T> chosen_;
    TileStats stats_;
    double largest_ = 0;
  };

  void take_in(const TileStats& stats, double largest) const {
    std::lock_guard<std::mutex> guard(lock_);
    stats_.largest_ratio = std::max(stats_.largest_ratio, stats.largest_ratio);
    stats_.largest_sum = std::max(stats_.largest_sum, stats.largest_sum);
    stats_.largest_recomputed = std::max(stats_.largest_recomputed, stats.largest_recomputed);
    stats_.recomputed += stats.recomputed;
    largest_ = std::max(largest_, largest);
  }

  PairwiseDistances<T> distances_;
  bool rounding_;
  mutable std::mutex lock_;
  mutable TileStats stats_;
  mutable double largest_ = 0;
};

}  // namespace topo_interp
