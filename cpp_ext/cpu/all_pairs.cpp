#include "cpu/all_pairs.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>
#include <vector>

#include "parallel.hpp"

namespace topo_interp {
namespace {

struct TileIndex {
  std::int64_t i, j;
};

// Tiles on and above the diagonal, row by row: fixed by n alone.
std::vector<TileIndex> upper_tiles(std::int64_t tiles) {
  std::vector<TileIndex> list;
  list.reserve(static_cast<std::size_t>(tiles * (tiles + 1) / 2));
  for (std::int64_t i = 0; i < tiles; ++i)
    for (std::int64_t j = i; j < tiles; ++j) list.push_back({i, j});
  return list;
}

// out[j][i] = out[i][j] for i < j within rows [i0, i1) and columns [j0, j1), in squares that stay in the cache.
template <class T>
void mirror(T* out, std::int64_t n, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
  constexpr std::int64_t step = 16;
  for (std::int64_t j = j0; j < j1; j += step)
    for (std::int64_t i = i0; i < i1; i += step) {
      const std::int64_t i_end = std::min(i + step, i1), j_end = std::min(j + step, j1);
      for (std::int64_t b = j; b < j_end; ++b)
        for (std::int64_t a = i; a < std::min(i_end, b); ++a) out[b * n + a] = out[a * n + b];
    }
}

template <class T>
struct Worker {
  AlignedBuffer<double> scratch;
  AlignedBuffer<T> tile;
  TileStats stats;
  double largest = 0;
  Worker()
      : scratch(static_cast<std::size_t>(PairwiseDistances<T>::scratch_size)),
        tile(static_cast<std::size_t>(PairwiseDistances<T>::side * PairwiseDistances<T>::side)) {
    stats.wanted = true;
  }
};

int useful_threads(int threads, std::int64_t work) {
  return static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), std::max<std::int64_t>(work, 1)));
}

}  // namespace

template <class T>
void all_distances(const PairwiseDistances<T>& distances, T* out, int threads, Control& control) {
  constexpr std::int64_t side = PairwiseDistances<T>::side;
  const std::int64_t rows = distances.rows(), cols = distances.columns();
  const std::int64_t down = pieces_of(rows, side), across = pieces_of(cols, side);
  const std::vector<TileIndex> upper = distances.symmetric() ? upper_tiles(down) : std::vector<TileIndex>();
  const std::int64_t count = distances.symmetric() ? static_cast<std::int64_t>(upper.size()) : down * across;
  threads = useful_threads(threads, count);
  std::vector<AlignedBuffer<double>> scratch;
  for (int t = 0; t < threads; ++t) scratch.emplace_back(static_cast<std::size_t>(PairwiseDistances<T>::scratch_size));
  control.total = count;
  parallel_for(threads, count, control, [&](std::int64_t piece, int worker) {
    const TileIndex at = distances.symmetric() ? upper[static_cast<std::size_t>(piece)] : TileIndex{piece / across, piece % across};
    const std::int64_t i0 = at.i * side, i1 = std::min(rows, i0 + side), j0 = at.j * side, j1 = std::min(cols, j0 + side);
    TileStats stats;
    const bool diagonal = distances.symmetric() && at.i == at.j;
    distances.tile(i0, i1, j0, j1, diagonal, scratch[static_cast<std::size_t>(worker)].data(), out + i0 * cols + j0, cols, stats,
                   control);
    if (diagonal)
      for (std::int64_t i = i0; i < i1; ++i) out[i * cols + i] = 0;
    if (distances.symmetric()) mirror(out, cols, i0, i1, j0, j1);
    ++control.done;
  });
}

template <class T>
double condensed_distances(const PairwiseDistances<T>& distances, float* out, int threads, Control& control) {
  constexpr std::int64_t side = PairwiseDistances<T>::side;
  const std::int64_t n = distances.rows();
  const std::vector<TileIndex> upper = upper_tiles(pieces_of(n, side));
  threads = useful_threads(threads, static_cast<std::int64_t>(upper.size()));
  std::vector<Worker<T>> workers(static_cast<std::size_t>(threads));
  control.total = static_cast<std::int64_t>(upper.size());
  parallel_for(threads, static_cast<std::int64_t>(upper.size()), control, [&](std::int64_t piece, int index) {
    Worker<T>& worker = workers[static_cast<std::size_t>(index)];
    const TileIndex at = upper[static_cast<std::size_t>(piece)];
    const std::int64_t i0 = at.i * side, i1 = std::min(n, i0 + side), j0 = at.j * side, j1 = std::min(n, j0 + side);
    distances.tile(i0, i1, j0, j1, at.i == at.j, worker.scratch.data(), worker.tile.data(), side, worker.stats, control);
    if (control.stopped()) return;
    T largest = 0;
    for (std::int64_t i = i0; i < i1; ++i) {
      const T* from = worker.tile.data() + (i - i0) * side;
      const std::int64_t start = i * (2 * n - i - 1) / 2 - i - 1;  // 64 bits: n(n-1)/2 passes 2^31 at n = 65 537
      for (std::int64_t j = std::max(j0, i + 1); j < j1; ++j) {
        const T distance = from[j - j0];
        out[start + j] = static_cast<float>(distance);
        largest = distance > largest ? distance : largest;
      }
    }
    worker.largest = std::max(worker.largest, static_cast<double>(largest));
    ++control.done;
  });
  TileStats stats;
  double largest = 0;
  for (const Worker<T>& worker : workers) {
    stats.largest_ratio = std::max(stats.largest_ratio, worker.stats.largest_ratio);
    stats.largest_sum = std::max(stats.largest_sum, worker.stats.largest_sum);
    stats.largest_recomputed = std::max(stats.largest_recomputed, worker.stats.largest_recomputed);
    largest = std::max(largest, worker.largest);
  }
  const double narrowing = sizeof(T) == sizeof(float) ? 0 : 0x1p-24 * largest + 0x1p-150;
  return distances.rounding(stats, largest) + narrowing;
}

// The bits of |x| order like |x|, as integers, with infinity and NaN above all numbers: one maximum sees both.
template <class T>
std::int64_t first_bad_row(MatrixView<T> x, int threads, const Control& control, double& largest) {
  using Bits = std::conditional_t<sizeof(T) == sizeof(float), std::int32_t, std::int64_t>;
  constexpr Bits without_sign = std::numeric_limits<Bits>::max();
  const Bits infinity = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  const std::int64_t piece = chunk_rows(x.rows), count = pieces_of(x.rows, piece);
  std::vector<std::int64_t> bad(static_cast<std::size_t>(count), -1);
  std::vector<Bits> most(static_cast<std::size_t>(count), 0);
  parallel_for(threads, count, control, [&](std::int64_t chunk, int) {
    Bits peak = 0;
    for (std::int64_t i = chunk * piece; i < std::min(x.rows, (chunk + 1) * piece); ++i) {
      const T* row = x.data + i * x.row_stride;
      for (std::int64_t k = 0; k < x.cols; ++k) {
        const Bits size = std::bit_cast<Bits>(row[k]) & without_sign;
        peak = size > peak ? size : peak;
      }
      if (peak >= infinity) {
        bad[static_cast<std::size_t>(chunk)] = i;
        return;
      }
    }
    most[static_cast<std::size_t>(chunk)] = peak;
  });
  for (const std::int64_t row : bad)
    if (row >= 0) return row;
  largest = static_cast<double>(std::bit_cast<T>(*std::max_element(most.begin(), most.end())));
  return -1;
}

template void all_distances(const PairwiseDistances<float>&, float*, int, Control&);
template void all_distances(const PairwiseDistances<double>&, double*, int, Control&);
template double condensed_distances(const PairwiseDistances<float>&, float*, int, Control&);
template double condensed_distances(const PairwiseDistances<double>&, float*, int, Control&);
template std::int64_t first_bad_row(MatrixView<float>, int, const Control&, double&);
template std::int64_t first_bad_row(MatrixView<double>, int, const Control&, double&);

}  // namespace topo_interp
