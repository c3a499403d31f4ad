// Distances between rows, prepared once for a whole cloud and then asked for by tiles, from any thread and in any order.
//
// Euclidean distances come from products of centered rows, |x|^2 + |y|^2 - 2 <x, y>, except for the pairs that lie so close
// (for their norms) that the subtraction would lose digits: those are recomputed from the given rows. The center and the order
// in which coordinates are summed are functions of the whole of x and y; so a distance is the same bits in every tile of one
// PairwiseDistances, and of any other that was prepared from the same x and y with the same instruction set.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/aligned_buffer.hpp"
#include "cpu/cpu_features.hpp"
#include "cpu/rounding.hpp"
#include "cpu/tile.hpp"
#include "interrupt.hpp"
#include "views.hpp"

namespace topo_interp {

// Rows of x chosen by number, copied so that they stand side by side; may be used again for the next choice.
template <class T>
struct GatheredRows {
  std::int64_t rows = 0;
  std::int64_t room = 0;  // rows that the panels and the norms hold
  AlignedBuffer<T> panels;
  std::vector<T> given;
  std::vector<double> squared_norms, scale, shift;
  std::vector<std::uint64_t> bits;
};

template <class T>
class PairwiseDistances {
 public:
  // With y.data == nullptr: of x with itself. The views must outlive this object. The caller has looked for NaN, infinities
  // and, where the metric divides by lengths, for rows without one.
  PairwiseDistances(MatrixView<T> x, MatrixView<T> y, MetricKind metric, Isa isa, int threads, const Control& control);

  // Side of the largest block that is computed at once. Tiles may have any shape; multiples of this waste nothing.
  static constexpr std::int64_t side = TileKernel<T>::side;
  static constexpr std::int64_t scratch_size = TileKernel<T>::scratch_size;

  std::int64_t rows() const { return x_.rows; }
  std::int64_t columns() const { return symmetric_ ? x_.rows : y_.rows; }
  bool symmetric() const { return symmetric_; }

  // Distances of rows [i0, i1) of x to rows [j0, j1) of y (of x when symmetric) into out[(i - i0) * ld + (j - j0)]. With
  // `upper` only entries j > i are written. `scratch`: scratch_size doubles of this thread's own. When the control asks to
  // stop, it returns with `out` unfinished. Thread-safe.
  void tile(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper, double* scratch, T* out,
            std::int64_t ld, TileStats& stats, const Control& control) const;

  // Of a symmetric one, rows that are not neighbours: the same bits as in `tile`. `gather` copies at most `side` rows;
  // `gathered_tile` writes all entries of row rows[r] against [j0, j1), or against other gathered rows, to out[r * ld + (j - j0)].
  // Thread-safe.
  void gather(const std::int32_t* rows, std::int64_t count, GatheredRows<T>& to) const;
  void gathered_tile(const GatheredRows<T>& x, std::int64_t j0, std::int64_t j1, double* scratch, T* out, std::int64_t ld,
                     TileStats& stats, const Control& control) const;
  void gathered_tile(const GatheredRows<T>& x, const GatheredRows<T>& y, double* scratch, T* out, std::int64_t ld, TileStats& stats,
                     const Control& control) const;

  // See DistanceSource. Of metrics that are functions of Euclidean distances; zeros for others.
  std::vector<T> lower_bounds(const std::vector<std::int32_t>& group, std::int64_t groups, int threads, const Control& control) const;

  // A proved bound on |stored - exact| over all pairs that went into `stats`, of which `largest` is the largest distance, for
  // entries stored as T. Its derivation stands beside the code.
  double rounding(const TileStats& stats, double largest) const;

 private:
  TileSide<T> side_of(const GatheredRows<T>& rows) const;
  RoundingCase rounding_case() const;
  void prepare(TileSide<T>& side, MatrixView<T> rows, AlignedBuffer<T>& panels, AlignedBuffer<double>& norms, int threads,
               const Control& control);
  void measure_rows(TileSide<T>& side, MatrixView<T> rows, std::vector<double>& scale, std::vector<double>& shift, int threads,
                    const Control& control);
  void choose_center(int threads, const Control& control);
  void choose_order();
  void pack_signs(TileSide<T>& side, MatrixView<T> rows, std::vector<std::uint64_t>& bits, int threads, const Control& control);

  MatrixView<T> x_, y_;
  bool symmetric_;
  bool needs_norms_, unit_rows_, centered_rows_;
  const TileKernel<T>* kernel_;
  TileJob<T> job_;
  std::vector<double> center_;
  std::vector<std::int32_t> order_;  // empty: as given
  AlignedBuffer<T> x_panels_, y_panels_;
  AlignedBuffer<double> x_norms_, y_norms_;
  std::vector<double> x_scale_, x_shift_, y_scale_, y_shift_;
  std::vector<std::uint64_t> x_bits_, y_bits_;
};

// Whether this build and this machine have an instruction set.
bool has_isa(Isa isa);

}  // namespace topo_interp
