// What the bindings of both modules make of radius graphs, spanning trees and landmarks.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bind_arrays.hpp"
#include "cpu/landmarks.hpp"
#include "cpu/neighbors.hpp"
#include "cpu/spanning_tree.hpp"

namespace topo_interp {

// A vector of any type.
using Numbers = nanobind::ndarray<nanobind::ro, nanobind::c_contig, nanobind::device::cpu>;

// The pairs within a radius, or where their search went over its budget.
template <class T>
struct PairsWithin {
  RadiusGraph<T> graph;
  std::optional<OverBudget> over;

  template <class Search>
  void find(Search&& search) {
    try {
      graph = search();
    } catch (const OverBudget& error) {
      over = error;
    }
  }
  template <class... More>
  nanobind::tuple answer(More... more) {
    if (over) return nanobind::make_tuple(over->pairs, over->part);
    return nanobind::make_tuple(to_numpy(std::move(graph.indptr)), to_numpy(std::move(graph.indices)),
                                to_numpy(std::move(graph.distances)), more...);
  }
};

template <class T, class... More>
nanobind::tuple tree_tuple(SpanningTree<T>&& found, More... more) {
  std::vector<std::int64_t> ends;
  std::vector<T> lengths;
  ends.reserve(2 * found.edges.size());
  lengths.reserve(found.edges.size());
  for (const Edge<T>& edge : found.edges) {
    ends.insert(ends.end(), {edge.i, edge.j});
    lengths.push_back(edge.length);
  }
  nanobind::dict work;
  work["rounds"] = found.work.rounds;
  work["refreshed"] = found.work.refreshed;
  work["components"] = found.work.components;
  work["tiles"] = found.work.tiles;
  const std::size_t count = found.edges.size();
  return nanobind::make_tuple(to_numpy(std::move(ends), {count, 2}), to_numpy(std::move(lengths)), work, more...);
}

// What is known of the landmarks of n rows to go on from; nothing where there are no indices.
struct KnownLandmarks {
  Rows indices;
  Numbers radii;
  Rows nearest;
  Numbers distances;

  template <class T>
  Landmarks<T> checked(std::int64_t k, std::int64_t start, std::int64_t n) const {
    require(k >= 1 && k <= n && start >= 0 && start < n, "1 <= k <= n and 0 <= start < n are needed");
    Landmarks<T> out;
    const auto count = static_cast<std::int64_t>(indices.shape(0));
    if (count == 0) return out;
    require(static_cast<std::int64_t>(nearest.shape(0)) == n, "the landmarks to go on from belong to other points");
    (void)checked_rows(indices, n);
    (void)checked_rows(nearest, count);
    out.indices.assign(indices.data(), indices.data() + count);
    out.insertion_radii = numbers<T>(radii, count);
    out.nearest.assign(nearest.data(), nearest.data() + n);
    out.distances = numbers<T>(distances, n);
    return out;
  }

 private:
  template <class T>
  static std::vector<T> numbers(const Numbers& values, std::int64_t count) {
    require(values.ndim() == 1 && static_cast<std::int64_t>(values.shape(0)) == count && values.dtype() == nanobind::dtype<T>(),
            "the landmarks to go on from belong to other points");
    const T* const data = static_cast<const T*>(values.data());
    require(reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0, "an array does not start at a multiple of its item size");
    return {data, data + count};
  }
};

template <class T, class... More>
nanobind::tuple landmarks_tuple(Landmarks<T>&& found, More... more) {
  return nanobind::make_tuple(to_numpy(std::move(found.indices)), to_numpy(std::move(found.insertion_radii)),
                              to_numpy(std::move(found.nearest)), to_numpy(std::move(found.distances)), more...);
}

}  // namespace topo_interp
