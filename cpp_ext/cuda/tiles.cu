#include <algorithm>
#include <cmath>

#include "cuda/tile_product.cuh"

namespace topo_interp::cuda {
namespace {

// The flagged pairs of a tile, from the rows as given and in double: teams of 32 threads take a pair each.
template <class T>
struct RecomputeBody {
  using Shape = Tile<T>;
  static constexpr int threads = Shape::threads, team = 32, teams = threads / team;
  struct Shared {
    int count;
    std::uint16_t list[Shape::side * Shape::side];
    double apart[threads], joint[threads];
  };
  using State = Nothing;
  TileRules rules;
  Operand<T> x, y;
  bool diagonal;
  T* out;
  std::int64_t ld;
  const std::int32_t* flags;
  DeviceStats* stats;

  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    if (flags[block.index] == 0) return;
    const std::int64_t across = (y.rows + Shape::side - 1) / Shape::side;
    const std::int64_t i0 = block.index / across * Shape::side, j0 = block.index % across * Shape::side;
    Shared& shared = block.shared;
    block.each([&](int thread, auto&) {
      if (thread == 0) shared.count = 0;
    });
    block.each([&](int thread, auto&) {
      for (int e = thread; e < Shape::side * Shape::side; e += threads) {
        const std::int64_t i = i0 + e / Shape::side, j = j0 + e % Shape::side;
        if (i >= x.rows || j >= y.rows || !wanted(diagonal, i, j) || !(out[i * ld + j] < 0)) continue;
        shared.list[atomic_add(&shared.count, 1)] = static_cast<std::uint16_t>(e);
      }
    });
    const int count = shared.count;
    for (int from = 0; from < count; from += teams) {
      block.each([&](int thread, auto&) {
        const int at = from + thread / team;
        if (at < count) sum(shared, shared.list[at], thread, i0, j0);
      });
      block.each([&](int thread, auto&) {
        if (thread >= teams || from + thread >= count) return;
        double apart = 0, joint = 0;
        for (int t = thread * team; t < (thread + 1) * team; ++t) {
          apart += shared.apart[t];
          joint += shared.joint[t];
        }
        const int e = shared.list[from + thread];
        const T value = finished(apart, joint);
        out[(i0 + e / Shape::side) * ld + j0 + e % Shape::side] = value;
        if (!stats) return;
        atomic_max_double(&stats->largest_recomputed, apart);
        atomic_max_double(&stats->largest, static_cast<double>(value));
      });
    }
  }
  TOPO_INTERP_HD void sum(Shared& shared, int e, int thread, std::int64_t i0, std::int64_t j0) const {
    const std::int64_t i = i0 + e / Shape::side, j = j0 + e % Shape::side;
    const T *a = x.given + i * x.given_stride, *b = y.given + j * y.given_stride;
    const bool scaled = x.scale != nullptr;
    const double a_scale = scaled ? x.scale[i] : 1, a_shift = scaled ? x.shift[i] : 0;
    const double b_scale = scaled ? y.scale[j] : 1, b_shift = scaled ? y.shift[j] : 0;
    double apart = 0, joint = 0;
    for (std::int64_t k = thread % team; k < rules.cols; k += team) {
      const double p = (static_cast<double>(a[k]) - a_shift) * a_scale, q = (static_cast<double>(b[k]) - b_shift) * b_scale;
      apart = ::fma(p - q, p - q, apart);
      joint = ::fma(p + q, p + q, joint);
    }
    shared.apart[thread] = apart;
    shared.joint[thread] = joint;
  }
  TOPO_INTERP_HD T finished(double apart, double joint) const {
    if (rules.metric == MetricKind::angular) return static_cast<T>(2 * ::atan2(::sqrt(apart), ::sqrt(joint)));
    // In double, because the squares of small and large distances leave the range of float32 before the root is taken.
    return static_cast<T>(device::distance_of(rules.metric, Lane<double>{apart}));
  }
};

// Sign patterns: a thread for each pair.
template <class T>
struct HammingBody {
  static constexpr int threads = 256, side = 16;
  struct Shared {
    Count x[side][side], y[side][side + 1];
  };
  struct State {
    long long total;
  };
  TileRules rules;
  Operand<T> x, y;
  bool diagonal;
  T* out;
  std::int64_t ld;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t across = (y.rows + side - 1) / side;
    const std::int64_t i0 = block.index / across * side, j0 = block.index % across * side;
    if (diagonal && j0 + side <= i0 + 1) return;
    Shared& shared = block.shared;
    block.each([&](int, State& own) { own.total = 0; });
    for (std::int64_t w0 = 0; w0 < rules.words; w0 += side) {
      block.each([&](int thread, State&) {
        const int r = thread / side, w = thread % side;
        const bool in = w0 + w < rules.words;
        shared.x[r][w] = in && i0 + r < x.rows ? x.bits[(i0 + r) * rules.words + w0 + w] : 0;
        shared.y[r][w] = in && j0 + r < y.rows ? y.bits[(j0 + r) * rules.words + w0 + w] : 0;
      });
      block.each([&](int thread, State& own) {
        for (int w = 0; w < side; ++w)
          own.total = device::Hamming::core(own.total, shared.x[thread / side][w], shared.y[thread % side][w]);
      });
    }
    block.each([&](int thread, State& own) {
      const std::int64_t i = i0 + thread / side, j = j0 + thread % side;
      if (i >= x.rows || j >= y.rows || !wanted(diagonal, i, j)) return;
      out[i * ld + j] = static_cast<T>(device::Hamming::epilogue(own.total, rules.cols));
    });
  }
};

template <class T>
struct Transpose {
  static constexpr int threads = 256, side = 32;
  struct Shared {
    T entries[side][side + 1];
  };
  using State = Nothing;
  const T* from;
  std::int64_t from_ld, rows, cols;
  T* to;
  std::int64_t to_ld;
  bool in_place;  // of a symmetric panel, whose upper triangle is known
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t across = (cols + side - 1) / side;
    const std::int64_t i0 = block.index / across * side, j0 = block.index % across * side;
    if (in_place && j0 < i0) return;
    Shared& shared = block.shared;
    block.each([&](int thread, auto&) {
      for (int e = thread; e < side * side; e += threads) {
        const std::int64_t i = i0 + e / side, j = j0 + e % side;
        if (i < rows && j < cols) shared.entries[e / side][e % side] = from[i * from_ld + j];
      }
    });
    block.each([&](int thread, auto&) {
      for (int e = thread; e < side * side; e += threads) {
        const std::int64_t j = j0 + e / side, i = i0 + e % side;  // of the given panel
        if (i >= rows || j >= cols || (in_place && j < i)) continue;
        to[j * to_ld + i] = in_place && i == j ? T(0) : shared.entries[e % side][e / side];
      }
    });
  }
};

}  // namespace

template <class T>
PanelMaker<T>::PanelMaker(const TileRules& rules, const Execution& on, bool stats)
    : rules_(rules), on_(on), stats_(stats && rules.metric != MetricKind::hamming ? 1 : 0) {
  fill_bytes(on_, stats_.data(), 0, stats_.size());
}

template <class T>
void PanelMaker<T>::panel(const Operand<T>& x, const Operand<T>& y, bool diagonal, T* out, std::int64_t ld) {
  if (rules_.metric == MetricKind::hamming) {
    using Body = HammingBody<T>;
    launch(on_, pieces(x.rows, Body::side) * pieces(y.rows, Body::side), Body{rules_, x, y, diagonal, out, ld});
    return;
  }
  const std::int64_t tiles = pieces(x.rows, Tile<T>::side) * pieces(y.rows, Tile<T>::side);
  if (flags_.size() < tiles) {
    synchronize(on_);
    flags_ = DeviceBuffer<std::int32_t>(tiles);
  }
  if (rules_.metric == MetricKind::manhattan) {
    launch(on_, tiles, TileBody<T, Absolutes>{rules_, x, y, diagonal, 0, out, ld, flags_.data(), stats_.data()});
  } else if (rules_.metric == MetricKind::chebyshev) {
    launch(on_, tiles, TileBody<T, Largest>{rules_, x, y, diagonal, 0, out, ld, flags_.data(), stats_.data()});
  } else {
    const double trusted =
        device::with_product(rules_.metric, [](auto kind) { return device::facts_of<decltype(kind)>(); }).largest_trusted;
    launch(on_, tiles, TileBody<T, Products>{rules_, x, y, diagonal, std::min(trusted, largest_square<T>), out, ld, flags_.data(),
                                             stats_.data()});
    launch(on_, tiles, RecomputeBody<T>{rules_, x, y, diagonal, out, ld, flags_.data(), stats_.data()});
  }
}

template <class T>
DeviceStats PanelMaker<T>::stats() const {
  if (rules_.metric == MetricKind::hamming) return {0, 0, 0, 1};  // a share of the coordinates
  return stats_.size() ? to_host(on_, stats_.data(), 1)[0] : DeviceStats{};
}

template <class T>
void complete_diagonal(const Execution& on, T* panel, std::int64_t rows, std::int64_t ld) {
  const std::int64_t across = pieces(rows, Transpose<T>::side);
  launch(on, across * across, Transpose<T>{panel, ld, rows, rows, panel, ld, true});
}

template <class T>
void transpose(const Execution& on, const T* from, std::int64_t from_ld, std::int64_t rows, std::int64_t cols, T* to,
               std::int64_t to_ld) {
  launch(on, pieces(rows, Transpose<T>::side) * pieces(cols, Transpose<T>::side),
         Transpose<T>{from, from_ld, rows, cols, to, to_ld, false});
}

template class PanelMaker<float>;
template class PanelMaker<double>;
template void complete_diagonal(const Execution&, float*, std::int64_t, std::int64_t);
template void complete_diagonal(const Execution&, double*, std::int64_t, std::int64_t);
template void transpose(const Execution&, const float*, std::int64_t, std::int64_t, std::int64_t, float*, std::int64_t);
template void transpose(const Execution&, const double*, std::int64_t, std::int64_t, std::int64_t, double*, std::int64_t);

}  // namespace topo_interp::cuda
