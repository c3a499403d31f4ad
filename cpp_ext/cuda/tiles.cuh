// The tile kernels, and what passes over the panels that they write.
#pragma once
#include <cstdint>
#include <type_traits>

#include "cuda/backend.cuh"
#include "cuda/cloud.cuh"
#include "cuda/tiles.hpp"

namespace topo_interp::cuda {

// What a bound on the rounding needs to know (cpu/rounding.hpp), on the device: TileStats in this order, then the largest distance.
struct DeviceStats {
  double largest_ratio, largest_sum, largest_recomputed, largest;
};

// Computes panels on one stream. Not for use by several threads.
template <class T>
class PanelMaker {
 public:
  PanelMaker(const TileRules& rules, const Execution& on, bool stats);

  // Distances of the rows of x to those of y into out[i * ld + j], on the device. When `diagonal`, x and y are the same block:
  // entries j > i are the distances, what stands elsewhere is arbitrary.
  void panel(const Operand<T>& x, const Operand<T>& y, bool diagonal, T* out, std::int64_t ld);

  // Of all panels so far; waits for them.
  DeviceStats stats() const;

 private:
  TileRules rules_;
  Execution on_;
  DeviceBuffer<DeviceStats> stats_;  // empty unless wanted
  DeviceBuffer<std::int32_t> flags_;
};

// Fills the lower triangle of the panel of a block with itself, and its diagonal with zeros.
template <class T>
void complete_diagonal(const Execution& on, T* panel, std::int64_t rows, std::int64_t ld);

// to[j * to_ld + i] = from[i * from_ld + j].
template <class T>
void transpose(const Execution& on, const T* from, std::int64_t from_ld, std::int64_t rows, std::int64_t cols, T* to,
               std::int64_t to_ld);

// Visits every pair i < j of a cloud once: visit(place, panel, x, y), the panel with leading dimension cloud.side(), entries j > i
// defined in diagonal ones. Everything is queued on the cloud's stream; the next panel overwrites this one in that order.
// Throws Interrupted when the control asks to stop.
template <class T, class Visit>
void visit_panels(Cloud<T>& cloud, PanelMaker<T>& maker, T* panel, Control& control, Visit&& visit) {
  const std::vector<PanelPlace> places = upper_panels(cloud.blocks());
  control.done.store(0);
  control.total.store(static_cast<std::int64_t>(places.size()));
  for (const PanelPlace place : places) {
    const Operand<T> x = cloud.block(place.i), y = cloud.block(place.j);
    maker.panel(x, y, place.i == place.j, panel, cloud.side());
    cloud.prefetch(place.j + 1 < cloud.blocks() ? place.j + 1 : place.i + 1);
    visit(place, panel, x, y);
    // Without this the host would queue everything at once, and neither stop nor progress would mean anything.
    synchronize(cloud.on());
    if (control.stopped()) throw Interrupted();
    control.done.fetch_add(1, std::memory_order_relaxed);
  }
}

// ---- passes over a panel ----------------------------------------------------------------------------------------------------
//
// A visitor keeps something for each row, its `Own`, of which the thread that has the row is the only one to change it:
//   void begin(Own& own, std::int64_t list) const; void take(Own&, std::int64_t list, std::int64_t other, T distance) const;
//   void end(Own& own, std::int64_t list) const;
// `list` is the number of the row in the cloud. The entries of a row come in ascending order of `other`.

// Each column of the panel for the list of its row: the pairs (column's row, row) with other < list.
template <class T, class Visitor>
struct AlongColumns {
  static constexpr int threads = 128;
  using Shared = Nothing;
  using State = Nothing;
  const T* panel;
  std::int64_t ld, rows, cols, first_row, first_col;
  bool diagonal;
  Visitor visitor;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    block.each([&](int thread, auto&) {
      const std::int64_t c = block.index * threads + thread;
      if (c >= cols) return;
      typename Visitor::Own own;
      visitor.begin(own, first_col + c);
      const std::int64_t last = diagonal ? least(c, rows) : rows;
      for (std::int64_t r = 0; r < last; ++r) visitor.take(own, first_col + c, first_row + r, panel[r * ld + c]);
      visitor.end(own, first_col + c);
    });
  }
};

// Each row of the panel for its own list: the pairs with other > list. Through shared memory, so that neighbouring threads read
// neighbouring entries.
template <class T, class Visitor>
struct AlongRows {
  static constexpr int threads = 128, lists = 32, depth = 32;
  struct Shared {
    T entries[lists][depth + 1];
  };
  struct State {
    typename Visitor::Own own;
  };
  const T* panel;
  std::int64_t ld, rows, cols, first_row, first_col;
  bool diagonal;
  Visitor visitor;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t r0 = block.index * lists;
    Shared& shared = block.shared;
    block.each([&](int thread, State& state) {
      if (thread < lists && r0 + thread < rows) visitor.begin(state.own, first_row + r0 + thread);
    });
    for (std::int64_t c0 = diagonal ? r0 / depth * depth : 0; c0 < cols; c0 += depth) {
      block.each([&](int thread, State&) {
        for (int e = thread; e < lists * depth; e += threads) {
          const int r = e / depth, c = e % depth;
          if (r0 + r < rows && c0 + c < cols) shared.entries[r][c] = panel[(r0 + r) * ld + c0 + c];
        }
      });
      block.each([&](int thread, State& state) {
        if (thread >= lists || r0 + thread >= rows) return;
        const std::int64_t r = r0 + thread, last = least<std::int64_t>(depth, cols - c0);
        const std::int64_t start = diagonal ? most<std::int64_t>(0, r + 1 - c0) : 0;
        for (std::int64_t c = start; c < last; ++c) visitor.take(state.own, first_row + r, first_col + c0 + c, shared.entries[thread][c]);
      });
    }
    block.each([&](int thread, State& state) {
      if (thread < lists && r0 + thread < rows) visitor.end(state.own, first_row + r0 + thread);
    });
  }
};

// Both passes over one panel of visit_panels, in the order that keeps every list ascending.
template <class T, class Visitor>
void pass_columns(const Execution& on, const T* panel, std::int64_t ld, const Cloud<T>& cloud, PanelPlace place, const Visitor& visitor) {
  const std::int64_t cols = cloud.rows_of(place.j);
  using Body = AlongColumns<T, Visitor>;
  launch(on, pieces(cols, Body::threads), Body{panel, ld, cloud.rows_of(place.i), cols, cloud.first_row(place.i),
                                               cloud.first_row(place.j), place.i == place.j, visitor});
}
template <class T, class Visitor>
void pass_rows(const Execution& on, const T* panel, std::int64_t ld, const Cloud<T>& cloud, PanelPlace place, const Visitor& visitor) {
  const std::int64_t rows = cloud.rows_of(place.i);
  using Body = AlongRows<T, Visitor>;
  launch(on, pieces(rows, Body::lists), Body{panel, ld, rows, cloud.rows_of(place.j), cloud.first_row(place.i),
                                             cloud.first_row(place.j), place.i == place.j, visitor});
}

}  // namespace topo_interp::cuda
