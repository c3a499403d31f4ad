// The kernel of the panels: tiles of products or of differences, accumulated in registers.
#pragma once
#include <cmath>
#include <cstdint>

#include "cuda/tiles.cuh"

namespace topo_interp::cuda {

using device::Lane;

// The shape of the tile kernel for one type: `side` x `side` pairs to a block of 256 threads, `each` x `each` to a thread, `depth`
// coordinates to a slice in shared memory, of which there are two: one is filled while the other is read.
template <class T>
struct Tile {
  static constexpr int threads = 256, across = 16;
  static constexpr int each = sizeof(T) == sizeof(float) ? 8 : 4;
  static constexpr int side = across * each;
  static constexpr int depth = 64 / static_cast<int>(sizeof(T));
  static constexpr int quads_of_row = depth / 4;
  static constexpr int quads = side * quads_of_row;  // of one operand
  static constexpr int loads = 2 * quads / threads;  // of one thread
  // Which row of the tile is entry r of thread t: groups of four, so that reads of shared memory are four wide and spread.
  TOPO_INTERP_HD static int at(int t, int r) { return r / 4 * (across * 4) + t * 4 + r % 4; }
};
static_assert(Tile<float>::side == 128 && Tile<double>::side == 64 && Tile<double>::loads == 1);

template <class T>
struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) Quad {
  T v[4];
};

// Three ways to accumulate; what an epilogue makes of the total is chosen when the kernel runs.
struct Products {
  using Metric = device::Euclidean;
  static constexpr bool products = true;
};
struct Absolutes {
  using Metric = device::Manhattan;
  static constexpr bool products = false;
};
struct Largest {
  using Metric = device::Chebyshev;
  static constexpr bool products = false;
};

// A distance that products can not give; no distance is negative.
constexpr int kFlag = -1;

TOPO_INTERP_HD bool wanted(bool diagonal, std::int64_t i, std::int64_t j) { return !diagonal || j > i; }

template <class T, class Family>
struct TileBody {
  using Shape = Tile<T>;
  static constexpr int threads = Shape::threads;
  struct Shared {
    // A row of a slice holds one coordinate of all rows of the tile; four more against bank conflicts.
    alignas(16) T x[2][Shape::depth][Shape::side + 4], y[2][Shape::depth][Shape::side + 4];
    int flags;
  };
  struct State {
    T part[Shape::each][Shape::each];
    double total[Shape::each][Shape::each];
    Quad<T> next[Shape::loads];
  };
  TileRules rules;
  Operand<T> x, y;
  bool diagonal;
  double largest_trusted;
  T* out;
  std::int64_t ld;
  std::int32_t* flags;  // of each tile: whether any of its pairs is to be recomputed
  DeviceStats* stats;

  TOPO_INTERP_HD void fetch(State& own, int thread, std::int64_t i0, std::int64_t j0, std::int64_t k0) const {
    TOPO_INTERP_UNROLL
    for (int l = 0; l < Shape::loads; ++l) {
      const int q = thread + l * threads, place = q % Shape::quads;
      const bool second = q >= Shape::quads;
      const Operand<T>& side = second ? y : x;
      // Rows past the end are computed with and thrown away: the last row stands in for them.
      const std::int64_t row = least((second ? j0 : i0) + place / Shape::quads_of_row, side.rows - 1);
      own.next[l] = *reinterpret_cast<const Quad<T>*>(side.packed + row * rules.pitch + k0 + place % Shape::quads_of_row * 4);
    }
  }
  TOPO_INTERP_HD void store(const State& own, Shared& shared, int thread, int buffer) const {
    TOPO_INTERP_UNROLL
    for (int l = 0; l < Shape::loads; ++l) {
      const int q = thread + l * threads, place = q % Shape::quads;
      const int row = place / Shape::quads_of_row, k = place % Shape::quads_of_row * 4;
      TOPO_INTERP_UNROLL
      for (int v = 0; v < 4; ++v) (q >= Shape::quads ? shared.y : shared.x)[buffer][k + v][row] = own.next[l].v[v];
    }
  }
  TOPO_INTERP_HD void accumulate(State& own, const Shared& shared, int thread, int buffer) const {
    const int ty = thread / Shape::across, tx = thread % Shape::across;
    TOPO_INTERP_UNROLL
    for (int k = 0; k < Shape::depth; ++k) {
      T a[Shape::each], b[Shape::each];
      TOPO_INTERP_UNROLL
      for (int r = 0; r < Shape::each; ++r) {
        a[r] = shared.x[buffer][k][Shape::at(ty, r)];
        b[r] = shared.y[buffer][k][Shape::at(tx, r)];
      }
      TOPO_INTERP_UNROLL
      for (int r = 0; r < Shape::each; ++r)
        TOPO_INTERP_UNROLL
        for (int c = 0; c < Shape::each; ++c)
          own.part[r][c] = Family::Metric::core(Lane<T>{own.part[r][c]}, Lane<T>{a[r]}, Lane<T>{b[c]}).v;
    }
  }
  // One end of a chain: what it holds joins the doubles.
  TOPO_INTERP_HD void collect(State& own) const {
    TOPO_INTERP_UNROLL
    for (int r = 0; r < Shape::each; ++r)
      TOPO_INTERP_UNROLL
      for (int c = 0; c < Shape::each; ++c) {
        Family::Metric::collect(&own.total[r][c], Lane<T>{own.part[r][c]});
        own.part[r][c] = 0;
      }
  }

  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t across = (y.rows + Shape::side - 1) / Shape::side;
    const std::int64_t i0 = block.index / across * Shape::side, j0 = block.index % across * Shape::side;
    Shared& shared = block.shared;
    if (diagonal && j0 + Shape::side <= i0 + 1) {
      block.each([&](int thread, State&) {
        if (thread == 0) flags[block.index] = 0;
      });
      return;
    }
    block.each([&](int thread, State& own) {
      TOPO_INTERP_UNROLL
      for (int r = 0; r < Shape::each; ++r)
        TOPO_INTERP_UNROLL
        for (int c = 0; c < Shape::each; ++c) {
          own.part[r][c] = 0;
          own.total[r][c] = 0;
        }
      fetch(own, thread, i0, j0, 0);
      store(own, shared, thread, 0);
      if (thread == 0) shared.flags = 0;
    });
    int buffer = 0;
    for (std::int64_t k0 = 0; k0 < rules.pitch; k0 += Shape::depth, buffer ^= 1) {
      block.each([&](int thread, State& own) {
        const bool more = k0 + Shape::depth < rules.pitch;
        if (more) fetch(own, thread, i0, j0, k0 + Shape::depth);
        accumulate(own, shared, thread, buffer);
        if ((k0 + Shape::depth) % rules.chain == 0 || !more) collect(own);
        if (more) store(own, shared, thread, buffer ^ 1);
      });
    }
    block.each([&](int thread, State& own) { finish(own, shared, thread, i0, j0); });
    block.each([&](int thread, State&) {
      if (thread == 0) flags[block.index] = shared.flags;
    });
  }

  TOPO_INTERP_HD void finish(State& own, Shared& shared, int thread, std::int64_t i0, std::int64_t j0) const {
    const int ty = thread / Shape::across, tx = thread % Shape::across;
    double ratio = 0, largest_sum = 0, largest = 0;
    TOPO_INTERP_UNROLL
    for (int r = 0; r < Shape::each; ++r) {
      const std::int64_t i = i0 + Shape::at(ty, r);
      if (i >= x.rows) continue;
      TOPO_INTERP_UNROLL
      for (int c = 0; c < Shape::each; ++c) {
        const std::int64_t j = j0 + Shape::at(tx, c);
        if (j >= y.rows || !wanted(diagonal, i, j)) continue;
        T value;
        if constexpr (Family::products) {
          const double sum = x.squared_norms[i] + y.squared_norms[j];
          const double squared = ::fma(-2.0, own.total[r][c], sum);
          const double low = most(rules.recompute * sum, rules.underflow), high = least(most_share * sum, largest_trusted);
          if (squared >= low && squared <= high) {
            value = device::distance_of(rules.metric, Lane<T>{static_cast<T>(squared)});
            ratio = most(ratio, sum * sum / squared);
            largest_sum = most(largest_sum, sum);
          } else {  // NaN comes here too
            value = static_cast<T>(kFlag);
            atomic_add(&shared.flags, 1);
          }
        } else {
          value = Family::Metric::epilogue(Lane<T>{static_cast<T>(own.total[r][c])}).v;
        }
        largest = most(largest, static_cast<double>(value));
        out[i * ld + j] = value;
      }
    }
    if (!stats) return;
    atomic_max_double(&stats->largest_ratio, ratio);
    atomic_max_double(&stats->largest_sum, largest_sum);
    atomic_max_double(&stats->largest, largest);
  }
};

}  // namespace topo_interp::cuda
