// One pass over all pairs: tiles handed to threads, each visited once and then forgotten.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "cpu/distance_source.hpp"
#include "parallel.hpp"
#include "interrupt.hpp"

namespace topo_interp {

template <class T>
struct TileWorker {
  std::unique_ptr<typename DistanceSource<T>::Reader> reader;
  std::vector<T> tile;
  explicit TileWorker(const DistanceSource<T>& source)
      : reader(source.reader()), tile(static_cast<std::size_t>(DistanceSource<T>::side * DistanceSource<T>::side)) {}
};

template <class T>
std::vector<TileWorker<T>> tile_workers(const DistanceSource<T>& source, int threads) {
  std::vector<TileWorker<T>> workers;
  for (int worker = 0; worker < threads; ++worker) workers.emplace_back(source);
  return workers;
}

struct TilePlace {
  std::int64_t i, j;
};

// Visits tiles of up to `side` rows and columns, of n each: read(worker, index, i0, i1, j0, j1) fills the worker's tile, then comes
// visit(i0, i1, j0, j1, tile). Throws Interrupted when the caller asks to stop.
template <class T, class Read, class Visit>
void visit_tiles(const DistanceSource<T>& source, const std::vector<TilePlace>& tiles, std::int64_t n, int threads, Control& control,
                 Read&& read, Visit&& visit) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const auto count = static_cast<std::int64_t>(tiles.size());
  threads = static_cast<int>(std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(count, 1)));
  std::vector<TileWorker<T>> workers = tile_workers(source, threads);
  control.done.store(0);
  control.total.store(count);
  parallel_for(threads, count, control, [&](std::int64_t piece, int index) {
    TileWorker<T>& worker = workers[static_cast<std::size_t>(index)];
    const auto [i0, j0] = tiles[static_cast<std::size_t>(piece)];
    const std::int64_t i1 = std::min(i0 + side, n), j1 = std::min(j0 + side, n);
    read(worker, index, i0, i1, j0, j1);
    if (control.stopped()) return;
    visit(i0, i1, j0, j1, worker.tile.data());
    control.done.fetch_add(1, std::memory_order_relaxed);
  });
  if (control.stopped()) throw Interrupted();
}

// Visits every pair i < j once: visit(i0, i1, j0, j1, tile). The tiles next to the diagonal come first: rows that lie near
// each other in the input are often near each other in space, and what keeps the nearest wants to see those early.
template <class T, class Visit>
void visit_pairs(const DistanceSource<T>& source, int threads, Control& control, Visit&& visit) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = source.size(), blocks = (n + side - 1) / side;
  std::vector<TilePlace> tiles;
  for (std::int64_t offset = 0; offset < blocks; ++offset)
    for (std::int64_t block = 0; block + offset < blocks; ++block) tiles.push_back({block * side, (block + offset) * side});
  const auto read = [&](TileWorker<T>& worker, int, auto... places) { worker.reader->tile(places..., worker.tile.data(), control); };
  visit_tiles(source, tiles, n, threads, control, read, visit);
}

// Visits pairs of blocks of `side` listed rows where wanted(i0, i1, j0, j1), i0 <= j0: visit(i0, i1, j0, j1, tile) for the places
// [i0, i1) and [j0, j1) of the list, all entries also where both are the same. Returns how many.
template <class T, class Wanted, class Visit>
std::int64_t visit_blocks(const DistanceSource<T>& source, const std::vector<std::int32_t>& rows, int threads, Control& control,
                          Wanted&& wanted, Visit&& visit) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const auto n = static_cast<std::int64_t>(rows.size());
  std::vector<TilePlace> tiles;
  for (std::int64_t i = 0; i < n; i += side) {
    if (control.stopped()) throw Interrupted();
    for (std::int64_t j = i; j < n; j += side) {
      if (wanted(i, std::min(i + side, n), j, std::min(j + side, n))) tiles.push_back({i, j});
    }
  }
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(std::max(threads, 1)), -1);
  const auto read = [&](TileWorker<T>& worker, int index, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
    if (std::exchange(chosen[static_cast<std::size_t>(index)], i0) != i0) worker.reader->choose(rows.data() + i0, i1 - i0);
    worker.reader->chosen_tile(rows.data() + j0, j1 - j0, worker.tile.data(), control);
  };
  visit_tiles(source, tiles, n, threads, control, read, visit);
  return static_cast<std::int64_t>(tiles.size());
}

// Visits the listed rows against all columns: visit(first, last, j0, j1, tile) for the places [first, last) of the list. All
// tiles of one row are visited by the same thread, so that a visit may write what belongs to its rows.
template <class T, class Visit>
void visit_rows(const DistanceSource<T>& source, const std::vector<std::int32_t>& rows, int threads, Control& control,
                Visit&& visit) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  const std::int64_t n = source.size(), count = static_cast<std::int64_t>(rows.size());
  const std::int64_t step = std::clamp<std::int64_t>((count + 2 * threads - 1) / (2 * threads), 1, side);
  const std::int64_t pieces = (count + step - 1) / step;
  threads = static_cast<int>(std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(pieces, 1)));
  std::vector<TileWorker<T>> workers = tile_workers(source, threads);
  control.done.store(0);
  control.total.store(pieces * ((n + side - 1) / side));
  parallel_for(threads, pieces, control, [&](std::int64_t piece, int index) {
    TileWorker<T>& worker = workers[static_cast<std::size_t>(index)];
    const std::int64_t first = piece * step, last = std::min(first + step, count);
    worker.reader->choose(rows.data() + first, last - first);
    for (std::int64_t j0 = 0; j0 < n; j0 += side) {
      const std::int64_t j1 = std::min(j0 + side, n);
      worker.reader->chosen_tile(j0, j1, worker.tile.data(), control);
      if (control.stopped()) return;
      visit(first, last, j0, j1, worker.tile.data());
      control.done.fetch_add(1, std::memory_order_relaxed);
    }
  });
  if (control.stopped()) throw Interrupted();
}

}  // namespace topo_interp
