#include "cpu/component_edges.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

#include "cpu/tile_pass.hpp"

// Which pairs of components are left out. The distances of one row of each component are lengths of true edges. An edge between
// two components that is longer than every edge of some path of those is the longest of a cycle, and in no minimum spanning tree
// (cycle property). So the smallest of these longest edges, over all paths, caps the pair; Prim's algorithm finds it. A pair
// whose lower bound is over its cap has no edge in the tree.

namespace topo_interp {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A square of numbers for pairs of components.
template <class T>
struct Square {
  std::int64_t count;
  std::vector<T> entries;
  explicit Square(std::int64_t components) : count(components), entries(at(components * components)) {}
  T& operator()(std::int64_t a, std::int64_t b) { return entries[at(a * count + b)]; }
};

template <class T>
Square<T> distances_between(const DistanceSource<T>& source, const std::vector<std::int32_t>& rows, int threads, Control& control) {
  constexpr std::int64_t side = DistanceSource<T>::side;
  Square<T> found(static_cast<std::int64_t>(rows.size()));
  const auto all = [](auto...) { return true; };
  visit_blocks(source, rows, threads, control, all,
               [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, const T* tile) {
                 for (std::int64_t i = i0; i < i1; ++i)
                   for (std::int64_t j = j0; j < j1; ++j) found(i, j) = found(j, i) = tile[(i - i0) * side + (j - j0)];
               });
  return found;
}

// Makes distances the caps of their pairs and returns the components in Prim's order, in which near ones are often neighbors.
template <class T>
std::vector<std::int32_t> cap_by_paths(Square<T>& distances, const Control& control) {
  const std::int64_t count = distances.count;
  std::vector<T> reach(at(count), std::numeric_limits<T>::infinity());  // the shortest edge to the tree so far
  std::vector<std::int32_t> from(at(count), 0), left(at(count)), order;
  std::iota(left.begin(), left.end(), 0);
  while (!left.empty()) {
    if (control.stopped()) throw Interrupted();
    const auto next = order.empty() ? left.begin() : std::min_element(left.begin(), left.end(), [&](std::int32_t a, std::int32_t b) {
      return reach[at(a)] < reach[at(b)];
    });
    const std::int32_t own = *next, parent = from[at(own)];
    *next = left.back();
    left.pop_back();
    for (const std::int32_t other : left) {
      if (!(distances(own, other) < reach[at(other)])) continue;
      reach[at(other)] = distances(own, other);
      from[at(other)] = own;
    }
    for (const std::int32_t other : order) {
      const T longest = other == parent ? reach[at(own)] : std::max(distances(parent, other), reach[at(own)]);
      distances(own, other) = distances(other, own) = longest;
    }
    order.push_back(own);
  }
  return order;
}

// The rows of one component after those of another, in the order given.
std::vector<std::int32_t> rows_by_component(const std::vector<std::int32_t>& label, const std::vector<std::int32_t>& order) {
  std::vector<std::int64_t> place(order.size(), 0);
  for (const std::int32_t own : label) ++place[at(own)];
  std::int64_t next = 0;
  for (const std::int32_t own : order) next += std::exchange(place[at(own)], next);
  std::vector<std::int32_t> rows(label.size());
  for (std::size_t i = 0; i < label.size(); ++i) rows[at(place[at(label[i])]++)] = static_cast<std::int32_t>(i);
  return rows;
}

template <class T>
class ComponentEdges {
 public:
  ComponentEdges(std::vector<std::int32_t> rows, const std::vector<std::int32_t>& label, Square<T> caps)
      : count_(caps.count), rows_(std::move(rows)), label_(label), shortest_(new std::atomic<T>[caps.entries.size()]) {
    for (std::size_t cell = 0; cell < caps.entries.size(); ++cell) shortest_[cell].store(caps.entries[cell]);
    std::vector<T>().swap(caps.entries);
    smallest_.assign(at(count_ * (count_ - 1) / 2), none());
  }

  const std::vector<std::int32_t>& rows() const { return rows_; }

  bool wanted(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) const {
    bool any = false;
    for_pairs(i0, i1, j0, j1, [&](auto...) { any = true; });
    return any;
  }

  void visit(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, const T* tile) {
    constexpr std::int64_t side = DistanceSource<T>::side;
    for_pairs(i0, i1, j0, j1, [&](std::int64_t a0, std::int64_t a1, std::int64_t b0, std::int64_t b1, T cap) {
      Edge<T> best = none();
      best.length = cap;
      for (std::int64_t i = a0; i < a1; ++i) {
        const T* d = tile + (i - i0) * side - j0;
        int close = 0;
        for (std::int64_t j = b0; j < b1; ++j) close |= static_cast<int>(d[j] <= best.length);
        if (!close) continue;
        const std::int32_t row = rows_[at(i)];
        for (std::int64_t j = b0; j < b1; ++j) {
          const std::int32_t column = rows_[at(j)];
          best = std::min(best, Edge<T>{d[j], std::min(row, column), std::max(row, column)});
        }
      }
      if (best.i != none().i) keep(label_[at(rows_[at(a0)])], label_[at(rows_[at(b0)])], best);
    });
  }

  std::vector<Edge<T>> in_order() && {
    std::erase_if(smallest_, [](const Edge<T>& edge) { return edge.i == none().i; });
    std::sort(smallest_.begin(), smallest_.end());
    return std::move(smallest_);
  }

 private:
  static constexpr Edge<T> none() {
    return {std::numeric_limits<T>::infinity(), std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::max()};
  }
  std::int64_t end_of_component(std::int64_t place, std::int64_t end) const {
    const std::int32_t own = label_[at(rows_[at(place)])];
    while (place < end && label_[at(rows_[at(place)])] == own) ++place;
    return place;
  }

  // what(a0, a1, b0, b1, cap) for the parts of a tile that belong to one pair of components which is not left out.
  template <class What>
  void for_pairs(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, What&& what) const {
    for (std::int64_t a0 = i0, a1; a0 < i1; a0 = a1) {
      a1 = end_of_component(a0, i1);
      const std::int64_t own = label_[at(rows_[at(a0)])];
      for (std::int64_t b0 = i0 == j0 ? a1 : j0, b1; b0 < j1; b0 = b1) {
        b1 = end_of_component(b0, j1);
        const T cap = shortest_[at(own * count_ + label_[at(rows_[at(b0)])])].load(std::memory_order_relaxed);
        if (cap >= 0) what(a0, a1, b0, b1, cap);
      }
    }
  }

  void keep(std::int64_t a, std::int64_t b, const Edge<T>& edge) {
    const std::int64_t low = std::min(a, b), high = std::max(a, b);
    std::lock_guard<std::mutex> guard(lock_);
    Edge<T>& kept = smallest_[at(high * (high - 1) / 2 + low)];
    if (!(edge < kept)) return;
    kept = edge;
    shortest_[at(a * count_ + b)].store(edge.length, std::memory_order_relaxed);
    shortest_[at(b * count_ + a)].store(edge.length, std::memory_order_relaxed);
  }

  const std::int64_t count_;
  const std::vector<std::int32_t> rows_;  // one component after another
  const std::vector<std::int32_t>& label_;
  // Longer edges of a pair are not wanted; -1: none is. Read without the lock: a stale entry lets a longer edge try.
  const std::unique_ptr<std::atomic<T>[]> shortest_;
  std::vector<Edge<T>> smallest_;
  std::mutex lock_;
};

}  // namespace

template <class T>
std::vector<Edge<T>> edges_between_components(const DistanceSource<T>& source, const std::vector<std::int32_t>& label,
                                              const std::vector<std::int32_t>& roots, int threads, Control& control,
                                              std::int64_t& tiles) {
  Square<T> caps = distances_between(source, roots, threads, control);
  std::vector<std::int32_t> rows = rows_by_component(label, cap_by_paths(caps, control));
  {
    const std::vector<T> bounds = source.lower_bounds(label, caps.count, threads, control);
    for (std::size_t cell = 0; cell < bounds.size(); ++cell)
      if (bounds[cell] > caps.entries[cell]) caps.entries[cell] = -1;
    for (std::int64_t a = 0; a < caps.count; ++a) caps(a, a) = -1;
  }
  ComponentEdges<T> edges(std::move(rows), label, std::move(caps));
  tiles = visit_blocks(source, edges.rows(), threads, control, [&](auto... places) { return edges.wanted(places...); },
                       [&](auto... tile) { edges.visit(tile...); });
  return std::move(edges).in_order();
}

template std::vector<Edge<float>> edges_between_components(const DistanceSource<float>&, const std::vector<std::int32_t>&,
                                                           const std::vector<std::int32_t>&, int, Control&, std::int64_t&);
template std::vector<Edge<double>> edges_between_components(const DistanceSource<double>&, const std::vector<std::int32_t>&,
                                                            const std::vector<std::int32_t>&, int, Control&, std::int64_t&);

}  // namespace topo_interp
