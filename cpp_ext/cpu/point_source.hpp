// Distances of points, computed when a tile is asked for: the bits of the full matrix without the matrix.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

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
  std::vector<T> lower_bounds(const std::vector<std::int32_t>& group, std::int64_t groups, int threads,
                              const Control& control) const override {
    return distances_.lower_bounds(group, groups, threads, control);
  }

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
      see_chosen(out, j1 - j0, control);
    }
    void chosen_tile(const std::int32_t* columns, std::int64_t count, T* out, const Control& control) override {
      source_.distances_.gather(columns, count, columns_);
      source_.distances_.gathered_tile(chosen_, columns_, scratch_.data(), out, side, stats_, control);
      see_chosen(out, count, control);
    }

   private:
    void see_chosen(const T* out, std::int64_t columns, const Control& control) {
      if (!stats_.wanted || control.stopped()) return;
      for (std::int64_t i = 0; i < chosen_.rows; ++i) see(out + i * side, 0, columns);
    }
    void see(const T* row, std::int64_t from, std::int64_t to) {
      constexpr std::int64_t lanes = 16;  // maxima side by side, which a compiler keeps in one register
      T largest[lanes] = {};
      for (; from + lanes <= to; from += lanes)
        for (std::int64_t lane = 0; lane < lanes; ++lane) largest[lane] = std::max(largest[lane], row[from + lane]);
      for (; from < to; ++from) largest[0] = std::max(largest[0], row[from]);
      largest_ = std::max(largest_, static_cast<double>(*std::max_element(largest, largest + lanes)));
    }
    const PointSource& source_;
    AlignedBuffer<double> scratch_;
    GatheredRows<T> chosen_, columns_;
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

// Compiled once, beside the kernels: where bindings include this, they are compiled for size.
extern template class PointSource<float>;
extern template class PointSource<double>;

}  // namespace topo_interp
