// The minimum spanning tree and farthest points on the device, in O(n) memory beyond the points and two blocks of distances.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/landmarks.hpp"
#include "cpu/spanning_tree.hpp"
#include "cuda/distance_blocks.hpp"
#include "interrupt.hpp"

namespace topo_interp::cuda {

struct BlockShape {  // where the blocks of the source are free
  std::int64_t rows = 4096, columns = 8192;
};
// Bytes for each point, beside the source and as many blocks.
inline constexpr std::int64_t tree_row_bytes = 16, tree_blocks = 2, landmark_row_bytes = 25, landmark_blocks = 0;

// The tree of the CPU: edges ordered by (length, i, j), so that there is one. Boruvka's algorithm with one pass over all pairs
// a round: `work.rounds` says how many.
template <class T>
SpanningTree<T> spanning_tree(const Execution& on, DistanceBlocks<T>& distances, const BlockShape& shape, Control& control);

// As add_farthest_points of the CPU, which says what the arguments are.
template <class T>
void add_farthest_points(const Execution& on, DistanceBlocks<T>& distances, std::int64_t k, std::int64_t start,
                         Landmarks<T>& landmarks, Control& control);

}  // namespace topo_interp::cuda
