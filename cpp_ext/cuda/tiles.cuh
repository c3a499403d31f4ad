// The tile kernels, and what passes over the panels that they write.
#pragma once
#include <cstdint>
#include <type_traits>

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
  DeviceBuffer<DeviceStats> stats_;  // empty unless wanted, and for hamming, whose bound needs none
  DeviceBuffer<std::int32_t> flags_;
};

// Fills the lower triangle of the panel of a block with itself, and its diagonal with zeros.
template <class T>
void complete_diagonal(const Execution& on, T* panel, std::int64_t rows, std::int64_t ld);

// to[j * to_ld + i] = from[i * from_ld + j].
template <class T>
void transpose(const Execution& on, const T* from, std::int64_t from_ld, std::int64_t rows, std::int64_t cols, T* to,
               std::int64_t to_ld);

// A panel of a cloud's rows against its rows. In a diagonal one entries j > i alone are defined.
template <class T>
struct PanelView {
  T* entries;
  std::int64_t ld, rows, cols, first_row, first_col;
  bool diagonal;
};

// Computes every pair i < j of a cloud once: target(first_row, first_col) says where the next panel goes, use(panel) does with it
// what is to be done, and beside that the next block is loaded. Everything is queued on the cloud's stream in that order.
// `use` waits for what is due: without that the host would queue everything at once, and neither stop nor progress would mean
// anything. Throws Interrupted when the control asks to stop.
template <class T, class Target, class Use>
void for_panels(Cloud<T>& cloud, PanelMaker<T>& maker, std::int64_t ld, Control& control, Target&& target, Use&& use) {
  const std::vector<PanelPlace> places = upper_panels(cloud.blocks());
  control.done.store(0);
  control.total.store(static_cast<std::int64_t>(places.size()));
  for (const auto [i, j] : places) {
    const Operand<T> x = cloud.block(i), y = cloud.block(j);
    const std::int64_t first_row = cloud.first_row(i), first_col = cloud.first_row(j);
    const PanelView<T> panel{target(first_row, first_col), ld, x.rows, y.rows, first_row, first_col, i == j};
    maker.panel(x, y, panel.diagonal, panel.entries, ld);
    cloud.prefetch(j + 1 < cloud.blocks() ? j + 1 : i + 1);
    use(panel);
    if (control.stopped()) throw Interrupted();
    control.done.fetch_add(1, std::memory_order_relaxed);
  }
}

// Every panel in the same memory of side() x side() entries: the next one overwrites it.
template <class T, class Visit>
void visit_panels(Cloud<T>& cloud, PanelMaker<T>& maker, T* memory, Control& control, Visit&& visit) {
  const auto target = [&](std::int64_t, std::int64_t) { return memory; };
  for_panels(cloud, maker, cloud.side(), control, target, [&](const PanelView<T>& panel) {
    visit(panel);
    synchronize(cloud.on());
  });
}

// ---- passes over a panel ----------------------------------------------------------------------------------------------------
//
// A visitor keeps something for each row, its `Own`, of which the thread that has the row is the only one to change it:
//   void begin(Own& own, std::int64_t list) const; void take(Own&, std::int64_t list, std::int64_t other, T distance) const;
//   void end(Own& own, std::int64_t list) const;
// `list` is the number of the row in the cloud. The entries of a row come in ascending order of `other`.

// Each column of the panel for the list of its row: the pairs (column's row, row) with other < list. One thread to a column is few
// threads for a device: so they are spread over small blocks, and each has several reads on the way.
template <class T, class Visitor>
struct AlongColumns {
  static constexpr int threads = 64, ahead = 8;
  using Shared = Nothing;
  using State = Nothing;
  PanelView<T> panel;
  Visitor visitor;
  std::int64_t blocks() const { return pieces(panel.cols, threads); }
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    block.each([&](int thread, auto&) {
      const std::int64_t c = block.index * threads + thread, list = panel.first_col + c;
      if (c >= panel.cols) return;
      typename Visitor::Own own;
      visitor.begin(own, list);
      const std::int64_t last = panel.diagonal ? least(c, panel.rows) : panel.rows;
      for (std::int64_t r0 = 0; r0 < last; r0 += ahead) {
        T entries[ahead];
        TOPO_INTERP_UNROLL
        for (int r = 0; r < ahead; ++r) entries[r] = panel.entries[least(r0 + r, last - 1) * panel.ld + c];
        TOPO_INTERP_UNROLL
        for (int r = 0; r < ahead; ++r)
          if (r0 + r < last) visitor.take(own, list, panel.first_row + r0 + r, entries[r]);
      }
      visitor.end(own, list);
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
  PanelView<T> panel;
  Visitor visitor;
  std::int64_t blocks() const { return pieces(panel.rows, lists); }
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t r0 = block.index * lists, rows = panel.rows, cols = panel.cols;
    Shared& shared = block.shared;
    block.each([&](int thread, State& state) {
      if (thread < lists && r0 + thread < rows) visitor.begin(state.own, panel.first_row + r0 + thread);
    });
    for (std::int64_t c0 = panel.diagonal ? r0 / depth * depth : 0; c0 < cols; c0 += depth) {
      block.each([&](int thread, State&) {
        for (int e = thread; e < lists * depth; e += threads) {
          const int r = e / depth, c = e % depth;
          if (r0 + r < rows && c0 + c < cols) shared.entries[r][c] = panel.entries[(r0 + r) * panel.ld + c0 + c];
        }
      });
      block.each([&](int thread, State& state) {
        if (thread >= lists || r0 + thread >= rows) return;
        const std::int64_t r = r0 + thread, list = panel.first_row + r, last = least<std::int64_t>(depth, cols - c0);
        const std::int64_t start = panel.diagonal ? most<std::int64_t>(0, r + 1 - c0) : 0;
        for (std::int64_t c = start; c < last; ++c)
          visitor.take(state.own, list, panel.first_col + c0 + c, shared.entries[thread][c]);
      });
    }
    block.each([&](int thread, State& state) {
      if (thread < lists && r0 + thread < rows) visitor.end(state.own, panel.first_row + r0 + thread);
    });
  }
};

// One of the two over a panel. Columns come first, so that every list stays ascending.
template <template <class, class> class Along, class T, class Visitor>
void pass(const Execution& on, const PanelView<T>& panel, const Visitor& visitor) {
  const Along<T, Visitor> body{panel, visitor};
  launch(on, body.blocks(), body);
}

}  // namespace topo_interp::cuda
