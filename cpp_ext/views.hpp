// The only things that kernels take: plain views of memory that somebody else owns. They hold no code, so that a file
// compiled for one instruction set can not hand its version of an inline function to the others.
#pragma once
#include <cstdint>

namespace topo_interp {

// Rows of `cols` neighbouring entries; `row_stride` entries lie between the starts of two rows.
template <class T>
struct MatrixView {
  const T* data;
  std::int64_t rows, cols, row_stride;
};

}  // namespace topo_interp
