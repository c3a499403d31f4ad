// Panels: the distances of some rows to some rows, written to device memory in one go; and the order in which panels are visited.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/tile.hpp"
#include "interrupt.hpp"

namespace topo_interp::cuda {

struct PanelPlace {
  std::int64_t i, j;  // blocks of rows and of columns
};

// Every pair of blocks i <= j once, row by row. For the rows of one block, the panels in which they stand come in ascending
// order of the blocks on the other side: what is appended to a row's list is sorted by itself. The next j is always known, so
// that its block can be loaded meanwhile.
inline std::vector<PanelPlace> upper_panels(std::int64_t blocks) {
  std::vector<PanelPlace> out;
  for (std::int64_t i = 0; i < blocks; ++i)
    for (std::int64_t j = i; j < blocks; ++j) out.push_back({i, j});
  return out;
}

}  // namespace topo_interp::cuda
