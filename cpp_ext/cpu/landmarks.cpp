#include "cpu/landmarks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "at_most.hpp"
#include "cpu/tile_pass.hpp"

namespace topo_interp {
namespace {

// The farthest row that is no landmark, the first of several; row -1 when there is none.
template <class T>
struct Farthest {
  T distance = -1;
  std::int64_t row = -1;
  void see(const Farthest& other) {
    if (other.distance > distance || (other.distance == distance && other.row < row)) *this = other;
  }
};

}  // namespace

template <class T>
void add_farthest_points(const DistanceSource<T>& source, std::int64_t k, std::int64_t start, Landmarks<T>& landmarks,
                         int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = source.size(), blocks = (n + side - 1) / side;
  const bool fresh = landmarks.indices.empty();
  if (fresh) {
    landmarks.nearest.assign(static_cast<std::size_t>(n), 0);
    landmarks.distances.assign(static_cast<std::size_t>(n), std::numeric_limits<T>::infinity());
  }
  std::vector<char> chosen(static_cast<std::size_t>(n), 0);
  for (const std::int64_t row : landmarks.indices) chosen[static_cast<std::size_t>(row)] = 1;
  const auto farthest_of = [&](std::int64_t from, std::int64_t to) {
    Farthest<T> farthest;
    for (std::int64_t j = from; j < to; ++j) {
      const std::size_t at = static_cast<std::size_t>(j);
      if (!chosen[at]) farthest.see({landmarks.distances[at], j});
    }
    return farthest;
  };

  // Few blocks are done sooner than a thread is started.
  const int workers = static_cast<int>(std::min<std::int64_t>(threads, std::max<std::int64_t>(1, blocks / 16)));
  const std::int64_t shares = workers == 1 ? 1 : 4 * workers;
  std::vector<TileWorker<T>> pool = tile_workers(source, workers);
  control.total.store(k);
  Farthest<T> next = fresh ? Farthest<T>{std::numeric_limits<T>::infinity(), start} : farthest_of(0, n);
  while (static_cast<std::int64_t>(landmarks.indices.size()) < k) {
    const std::int32_t row = static_cast<std::int32_t>(next.row);
    const std::int64_t place = static_cast<std::int64_t>(landmarks.indices.size());
    landmarks.indices.push_back(next.row);
    landmarks.insertion_radii.push_back(next.distance);
    chosen[static_cast<std::size_t>(row)] = 1;
    next = {};
    std::mutex lock;
    parallel_for(workers, shares, control, [&](std::int64_t share, int index) {
      TileWorker<T>& worker = pool[static_cast<std::size_t>(index)];
      const T* d = worker.tile.data();
      Farthest<T> mine;
      worker.reader->choose(&row, 1);
      for (std::int64_t b = share * blocks / shares; b < (share + 1) * blocks / shares; ++b) {
        const std::int64_t j0 = b * side, j1 = std::min(j0 + side, n);
        worker.reader->chosen_tile(j0, j1, worker.tile.data(), control);
        if (control.stopped()) return;
        for (std::int64_t j = j0; j < j1; ++j) {
          const std::size_t at = static_cast<std::size_t>(j);
          if (d[j - j0] < landmarks.distances[at]) {
            landmarks.distances[at] = d[j - j0];
            landmarks.nearest[at] = place;
          }
        }
        mine.see(farthest_of(j0, j1));
      }
      std::lock_guard<std::mutex> guard(lock);
      next.see(mine);
    });
    if (control.stopped()) throw Interrupted();
    control.done.store(place + 1);
  }
}

template <class T>
double largest_distortion(const DistanceSource<T>& source, const std::vector<std::int32_t>& landmarks,
                          const std::vector<std::int32_t>& nearest, double up_to, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = source.size(), k = static_cast<std::int64_t>(landmarks.size());
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  control.phase.store(0);
  std::vector<T> from(at(k * n));  // from[l * n + x] = D(landmark l, x)
  visit_rows(source, landmarks, threads, control,
             [&](std::int64_t first, std::int64_t last, std::int64_t j0, std::int64_t j1, const T* tile) {
               for (std::int64_t l = first; l < last; ++l) std::copy_n(tile + (l - first) * side, j1 - j0, from.data() + l * n + j0);
             });
  std::vector<T> between(at(k * k));  // between[l * k + m] = D(landmark l, landmark m)
  for (std::int64_t l = 0; l < k; ++l) {
    for (std::int64_t m = 0; m < k; ++m) between[at(l * k + m)] = from[at(l * n + landmarks[at(m)])];
  }

  control.phase.store(1);
  double largest = 0;
  std::mutex lock;
  const T limit = at_most<T>(up_to);
  visit_pairs(source, threads, control, [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, const T* tile) {
    constexpr std::int64_t run = 64;
    const std::int64_t rows = i1 - i0;
    std::vector<T> to_landmarks(at(rows * side));  // D(i, pj): turned here once, so that what follows reads along rows
    for (std::int64_t j = j0; j < j1; ++j) {
      const T* column = from.data() + static_cast<std::int64_t>(nearest[at(j)]) * n + i0;
      for (std::int64_t r = 0; r < rows; ++r) to_landmarks[at(r * side + (j - j0))] = column[r];
    }
    double mine = 0;
    T longest[run];
    for (std::int64_t i = i0; i < i1; ++i) {
      const std::int64_t p = nearest[at(i)];
      const T* landmark_row = from.data() + p * n;                       // D(pi, j)
      const T* landmark_pairs = between.data() + p * k;                  // D(pi, pj)
      const T* own_row = to_landmarks.data() + (i - i0) * side - j0;
      const T* d = tile + (i - i0) * side - j0;
      for (std::int64_t first = std::max(j0, i + 1); first < j1; first += run) {
        const std::int64_t last = std::min(first + run, j1);
        for (std::int64_t j = first; j < last; ++j) longest[j - first] = landmark_pairs[nearest[at(j)]];
        // Rounding is monotone: a difference above `mine` is not below it once both are rounded to T.
        const T least = static_cast<T>(mine);
        int wanted = 0;
        for (std::int64_t j = first; j < last; ++j) {
          T& l = longest[j - first];
          l = l < own_row[j] ? own_row[j] : l;
          l = l < landmark_row[j] ? landmark_row[j] : l;
          wanted |= static_cast<int>(l - d[j] >= least) & static_cast<int>(d[j] <= limit);
        }
        if (!wanted) continue;
        for (std::int64_t j = first; j < last; ++j) {
          if (d[j] <= limit) mine = std::max(mine, static_cast<double>(longest[j - first]) - static_cast<double>(d[j]));
        }
      }
    }
    std::lock_guard<std::mutex> guard(lock);
    largest = std::max(largest, mine);
  });
  return largest;
}

template <class T>
Differences largest_differences(const DistanceSource<T>& d, const DistanceSource<T>& e, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = d.size(), blocks = (n + side - 1) / side;
  std::vector<TileWorker<T>> of_d = tile_workers(d, threads), of_e = tile_workers(e, threads);
  std::vector<Differences> found(static_cast<std::size_t>(threads));
  control.done.store(0);
  control.total.store(blocks);
  parallel_for(threads, blocks, control, [&](std::int64_t block, int index) {
    TileWorker<T>&a = of_d[static_cast<std::size_t>(index)], &b = of_e[static_cast<std::size_t>(index)];
    Differences mine = found[static_cast<std::size_t>(index)];
    const std::int64_t i0 = block * side, i1 = std::min(i0 + side, n);
    for (std::int64_t j0 = i0; j0 < n; j0 += side) {
      const std::int64_t j1 = std::min(j0 + side, n);
      a.reader->tile(i0, i1, j0, j1, a.tile.data(), control);
      b.reader->tile(i0, i1, j0, j1, b.tile.data(), control);
      if (control.stopped()) return;
      for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = std::max(j0, i + 1); j < j1; ++j) {
          const std::size_t at = static_cast<std::size_t>((i - i0) * side + (j - j0));
          const double difference = static_cast<double>(a.tile[at]) - static_cast<double>(b.tile[at]);
          mine.above = std::max(mine.above, difference);
          mine.below = std::max(mine.below, -difference);
        }
      }
    }
    found[static_cast<std::size_t>(index)] = mine;
    control.done.fetch_add(1, std::memory_order_relaxed);
  });
  if (control.stopped()) throw Interrupted();
  Differences largest;
  for (const Differences& part : found) largest = {std::max(largest.above, part.above), std::max(largest.below, part.below)};
  return largest;
}

#define TOPO_INTERP_INSTANTIATE(T)                                                                                          \
  template void add_farthest_points(const DistanceSource<T>&, std::int64_t, std::int64_t, Landmarks<T>&, int, Control&);     \
  template double largest_distortion(const DistanceSource<T>&, const std::vector<std::int32_t>&,                             \
                                     const std::vector<std::int32_t>&, double, int, Control&);                               \
  template Differences largest_differences(const DistanceSource<T>&, const DistanceSource<T>&, int, Control&);
TOPO_INTERP_INSTANTIATE(float)
TOPO_INTERP_INSTANTIATE(double)
#undef TOPO_INTERP_INSTANTIATE

}  // namespace topo_interp
