#include "cpu/neighbors.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "cpu/tile_pass.hpp"

namespace topo_interp {

template <class T>
void NeighborLists<T>::offer(std::int64_t row, T distance, std::int64_t index) {
  Neighbor<T>* heap = entries_.data() + row * k_;
  const Neighbor<T> offered{distance, static_cast<std::int32_t>(index)};
  std::int64_t& size = size_[static_cast<std::size_t>(row)];
  if (size < k_) {
    heap[size++] = offered;
    std::push_heap(heap, heap + size);
    if (size < k_) return;
  } else {
    if (!(offered < heap[0])) return;
    std::int64_t hole = 0;  // the top goes, the hole sinks until the offered entry fits
    for (std::int64_t child = 1; child < k_; child = 2 * hole + 1) {
      if (child + 1 < k_ && heap[child] < heap[child + 1]) ++child;
      if (!(offered < heap[child])) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = offered;
  }
  bound_[static_cast<std::size_t>(row)] = heap[0].distance;
}

template <class T>
void NeighborLists<T>::clear(std::int64_t row) {
  size_[static_cast<std::size_t>(row)] = 0;
  bound_[static_cast<std::size_t>(row)] = std::numeric_limits<T>::infinity();
}

template <class T>
void NeighborLists<T>::sort(std::int64_t row) {
  Neighbor<T>* heap = entries_.data() + row * k_;
  std::sort_heap(heap, heap + size_[static_cast<std::size_t>(row)]);
}

namespace {

constexpr std::int64_t kRun = 64;  // distances that one test can pass over

template <class T>
void sort_lists(NeighborLists<T>& lists, std::int64_t n, const Control& control) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (i % 1024 == 0 && control.stopped()) throw Interrupted();
    lists.sort(i);
  }
}

}  // namespace

template <class T>
NeighborLists<T> nearest_neighbors(const DistanceSource<T>& source, std::int64_t k, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = source.size();
  NeighborLists<T> lists(n, k);
  // A tile changes the lists of its rows and of its columns: one lock for each block of rows.
  const std::size_t blocks = static_cast<std::size_t>((n + side - 1) / side);
  const std::unique_ptr<std::mutex[]> locks(new std::mutex[blocks]);
  const auto visit = [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, const T* tile) {
    std::unique_lock<std::mutex> first(locks[static_cast<std::size_t>(i0 / side)]), second;  // i0 <= j0: no deadlock
    if (i0 != j0) second = std::unique_lock<std::mutex>(locks[static_cast<std::size_t>(j0 / side)]);
    const T* columns = lists.bounds();
    for (std::int64_t i = i0; i < i1; ++i) {
      const T* d = tile + (i - i0) * side - j0;
      for (std::int64_t from = std::max(j0, i + 1); from < j1; from += kRun) {
        const std::int64_t to = std::min(from + kRun, j1);
        const T row = lists.bound(i);
        int wanted = 0;
        for (std::int64_t j = from; j < to; ++j) wanted |= static_cast<int>(d[j] <= row) | static_cast<int>(d[j] <= columns[j]);
        if (!wanted) continue;
        for (std::int64_t j = from; j < to; ++j) {
          if (d[j] <= lists.bound(i)) lists.offer(i, d[j], j);
          if (d[j] <= columns[j]) lists.offer(j, d[j], i);
        }
      }
    }
  };
  visit_pairs(source, threads, control, visit);
  sort_lists(lists, n, control);
  return lists;
}

template <class T>
void nearest_of_other_label(const DistanceSource<T>& source, const std::vector<std::int32_t>& rows,
                            const std::vector<std::int32_t>& label, NeighborLists<T>& lists, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  for (const std::int32_t i : rows) lists.clear(i);
  visit_rows(source, rows, threads, control,
             [&](std::int64_t first, std::int64_t last, std::int64_t j0, std::int64_t j1, const T* tile) {
               for (std::int64_t place = first; place < last; ++place) {
                 const T* d = tile + (place - first) * side - j0;
                 const std::int64_t i = rows[static_cast<std::size_t>(place)];
                 const std::int32_t own = label[static_cast<std::size_t>(i)];
                 for (std::int64_t j = j0; j < j1; ++j) {
                   if (d[j] <= lists.bound(i) && label[static_cast<std::size_t>(j)] != own) lists.offer(i, d[j], j);
                 }
               }
             });
  for (const std::int32_t i : rows) lists.sort(i);
}

template <class T>
RadiusGraph<T> radius_graph(const DistanceSource<T>& source, T radius, std::int64_t most_pairs, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  struct Pair {
    std::int32_t i, j;
    T distance;
  };
  constexpr std::size_t kChunk = 4096;  // full chunks are never moved: no vector doubles while it grows
  const std::int64_t n = source.size();
  std::vector<std::vector<Pair>> chunks;
  std::mutex lock;
  std::atomic<std::int64_t> found{0};
  visit_pairs(source, threads, control, [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, const T* tile) {
    std::vector<Pair> within;
    const auto hand_in = [&] {
      if (found.fetch_add(static_cast<std::int64_t>(within.size())) + static_cast<std::int64_t>(within.size()) > most_pairs) {
        const double share = static_cast<double>(control.done.load() + 1) / static_cast<double>(control.total.load());
        throw OverBudget(found.load(), share);
      }
      within.shrink_to_fit();
      std::lock_guard<std::mutex> guard(lock);
      chunks.push_back(std::move(within));
      within = {};
    };
    for (std::int64_t i = i0; i < i1; ++i) {
      const T* d = tile + (i - i0) * side - j0;
      for (std::int64_t from = std::max(j0, i + 1); from < j1; from += kRun) {
        const std::int64_t to = std::min(from + kRun, j1);
        int wanted = 0;
        for (std::int64_t j = from; j < to; ++j) wanted |= static_cast<int>(d[j] <= radius);
        if (!wanted) continue;
        for (std::int64_t j = from; j < to; ++j) {
          if (!(d[j] <= radius)) continue;
          within.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(j), d[j]});
          if (within.size() == kChunk) hand_in();
        }
      }
    }
    if (!within.empty()) hand_in();
  });

  RadiusGraph<T> graph;
  graph.indptr.assign(static_cast<std::size_t>(n) + 1, 0);
  for (const auto& chunk : chunks) {
    for (const Pair& pair : chunk) {
      ++graph.indptr[static_cast<std::size_t>(pair.i) + 1];
      ++graph.indptr[static_cast<std::size_t>(pair.j) + 1];
    }
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) graph.indptr[i + 1] += graph.indptr[i];
  std::vector<std::int64_t> place(graph.indptr.begin(), graph.indptr.end() - 1);
  graph.indices.resize(static_cast<std::size_t>(graph.indptr.back()));
  graph.distances.resize(static_cast<std::size_t>(graph.indptr.back()));
  const auto put = [&](std::int32_t row, std::int32_t column, T distance) {
    const std::size_t at = static_cast<std::size_t>(place[static_cast<std::size_t>(row)]++);
    graph.indices[at] = column;
    graph.distances[at] = distance;
  };
  for (auto& chunk : chunks) {
    if (control.stopped()) throw Interrupted();
    for (const Pair& pair : chunk) {
      put(pair.i, pair.j, pair.distance);
      put(pair.j, pair.i, pair.distance);
    }
    std::vector<Pair>().swap(chunk);
  }
  // Which thread found a pair first is chance; the order within a row is not.
  std::vector<Neighbor<T>> row;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    if (control.stopped()) throw Interrupted();
    const std::size_t begin = static_cast<std::size_t>(graph.indptr[i]), end = static_cast<std::size_t>(graph.indptr[i + 1]);
    row.clear();
    for (std::size_t at = begin; at < end; ++at) row.push_back({graph.distances[at], static_cast<std::int32_t>(graph.indices[at])});
    std::sort(row.begin(), row.end(), [](const Neighbor<T>& a, const Neighbor<T>& b) { return a.index < b.index; });
    for (std::size_t at = begin; at < end; ++at) {
      graph.indices[at] = row[at - begin].index;
      graph.distances[at] = row[at - begin].distance;
    }
  }
  return graph;
}

template class NeighborLists<float>;
template class NeighborLists<double>;
template NeighborLists<float> nearest_neighbors(const DistanceSource<float>&, std::int64_t, int, Control&);
template NeighborLists<double> nearest_neighbors(const DistanceSource<double>&, std::int64_t, int, Control&);
template void nearest_of_other_label(const DistanceSource<float>&, const std::vector<std::int32_t>&,
                                     const std::vector<std::int32_t>&, NeighborLists<float>&, int, Control&);
template void nearest_of_other_label(const DistanceSource<double>&, const std::vector<std::int32_t>&,
                                     const std::vector<std::int32_t>&, NeighborLists<double>&, int, Control&);
template RadiusGraph<float> radius_graph(const DistanceSource<float>&, float, std::int64_t, int, Control&);
template RadiusGraph<double> radius_graph(const DistanceSource<double>&, double, std::int64_t, int, Control&);

}  // namespace topo_interp
