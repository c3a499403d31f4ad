// The edges that join the components of a forest.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/distance_source.hpp"
#include "cpu/spanning_tree.hpp"
#include "interrupt.hpp"

namespace topo_interp {

// Of rows in components (label[i] of row i, the place of its component in `roots`, which holds a row of each): the smallest edge
// between any two of them, in order, wherever it can belong to the minimum spanning tree. `tiles` gets how many were computed.
template <class T>
std::vector<Edge<T>> edges_between_components(const DistanceSource<T>& source, const std::vector<std::int32_t>& label,
                                              const std::vector<std::int32_t>& roots, int threads, Control& control,
                                              std::int64_t& tiles);

}  // namespace topo_interp
