// Exact nearest neighbours and radius graphs in one pass over tiles.
#pragma once
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "cpu/distance_source.hpp"
#include "interrupt.hpp"

namespace topo_interp {

template <class T>
struct Neighbor {
  T distance;
  std::int32_t index;
  // Equal distances are ordered by index. For the neighbours of one row this is the order of its edges by (length, i, j).
  bool operator<(const Neighbor& other) const {
    return distance < other.distance || (distance == other.distance && index < other.index);
  }
};

// For each row the k smallest of what it was offered, in any order of offers.
template <class T>
class NeighborLists {
 public:
  NeighborLists(std::int64_t n, std::int64_t k)
      : k_(k),
        bound_(static_cast<std::size_t>(n), std::numeric_limits<T>::infinity()),
        size_(static_cast<std::size_t>(n), 0),
        entries_(static_cast<std::size_t>(n * k)) {}

  // A larger distance is not taken. Infinite until the list is full.
  T bound(std::int64_t row) const { return bound_[static_cast<std::size_t>(row)]; }
  const T* bounds() const { return bound_.data(); }
  std::int64_t size(std::int64_t row) const { return size_[static_cast<std::size_t>(row)]; }
  // Entries [0, size(row)); from the nearest on after `sort`.
  const Neighbor<T>* row(std::int64_t row) const { return entries_.data() + row * k_; }

  void offer(std::int64_t row, T distance, std::int64_t index);
  void clear(std::int64_t row);
  void sort(std::int64_t row);  // ends the offers, until `clear`

 private:
  std::int64_t k_;
  std::vector<T> bound_;
  std::vector<std::int64_t> size_;
  std::vector<Neighbor<T>> entries_;  // of each row a heap, the farthest on top
};

// The k nearest neighbours of every row, itself left out: k <= size - 1.
template <class T>
NeighborLists<T> nearest_neighbors(const DistanceSource<T>& source, std::int64_t k, int threads, Control& control);

// The k nearest neighbours of the listed rows among the rows of another label; other lists stay as they are.
template <class T>
void nearest_of_other_label(const DistanceSource<T>& source, const std::vector<std::int32_t>& rows,
                            const std::vector<std::int32_t>& label, NeighborLists<T>& lists, int threads, Control& control);

// A symmetric graph without loops in compressed rows: columns ascend within a row.
template <class T>
struct RadiusGraph {
  std::vector<std::int64_t> indptr, indices;
  std::vector<T> distances;
};

// Thrown when the pairs within the radius outgrow the budget.
struct OverBudget : std::runtime_error {
  OverBudget(std::int64_t found, double share)
      : std::runtime_error("over budget"), pairs(found), part(share) {}
  std::int64_t pairs;  // pairs found so far
  double part;         // in this part of all pairs
};

// All pairs at distance <= radius; at most `most_pairs` of them.
template <class T>
RadiusGraph<T> radius_graph(const DistanceSource<T>& source, T radius, std::int64_t most_pairs, int threads, Control& control);

// Bytes that radius_graph takes for a pair at its peak: the pair as it was found and its two entries in the result.
template <class T>
constexpr std::int64_t radius_graph_bytes_per_pair() {
  return static_cast<std::int64_t>(2 * sizeof(std::int32_t) + sizeof(T) + 2 * (sizeof(std::int64_t) + sizeof(T)));
}

}  // namespace topo_interp
