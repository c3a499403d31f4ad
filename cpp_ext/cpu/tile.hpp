// The tile kernels behind every distance on the CPU, as tables of plain functions: one table for each instruction set.
//
// An entry of the result depends on the two rows, on the preparation of the whole cloud (center, order of coordinates) and on
// the instruction set, and on nothing else: each lane accumulates its own pair in chains of fixed length, whatever tile
// asks for it. So tiles of any shape agree bit for bit, and (i, j) with (j, i).
#pragma once
#include <cstdint>

#include "cpu/cpu_features.hpp"

namespace topo_interp {

enum class MetricKind : int;

// Recomputed pairs sum float32 squares in chains of this many terms for each lane, then in double.
inline constexpr std::int64_t recompute_chain = 32;

// One operand, prepared. `panels`: rows packed for the kernel, `width` rows to a panel, coordinate by coordinate
// (panel[k * width + r]), zero rows at the end. `rows`: the given rows, for pairs that are recomputed.
template <class T>
struct TileSide {
  const T* panels;
  const double* squared_norms;  // of the packed rows, padded to whole panels; null unless the metric needs norms
  const T* rows;
  std::int64_t row_stride;
  const double* scale;  // unit rows are (row - shift) * scale; null otherwise
  const double* shift;
  const std::uint64_t* bits;  // sign patterns, `words` to a row; null unless hamming
};

template <class T>
struct TileJob {
  MetricKind metric;
  std::int64_t cols;
  std::int64_t words;
  std::int64_t chain;   // length of the accumulation chains over coordinates
  double recompute;     // pairs with d^2 below this share of |x_c|^2 + |y_c|^2 are recomputed from the given rows
  double underflow;     // and pairs with d^2 below this
  TileSide<T> x, y;
};

// What a proved bound on the rounding needs to know about the pairs that went through products and through recomputation.
struct TileStats {
  bool wanted = false;            // the three maxima below cost a division a pair
  double largest_ratio = 0;       // (|x_c|^2 + |y_c|^2)^2 / d^2 over products
  double largest_sum = 0;         // |x_c|^2 + |y_c|^2 over products
  double largest_recomputed = 0;  // d^2 over recomputed pairs
  std::int64_t recomputed = 0;
};

// Whether the caller wants the work to end early; a pointer, because kernels include no inline function of the library.
struct StopSignal {
  bool (*asked)(const void* control);
  const void* control;
};

template <class T>
struct TileKernel {
  static constexpr std::int64_t side = 192;  // rows and columns of the largest block; a multiple of every panel width
  static constexpr std::int64_t scratch_size = 2 * side * side + side * 256;  // doubles

  std::int64_t width;  // rows to a panel

  // Packs rows [panel * width, (panel + 1) * width) of `side.rows`: coordinate order[k] (k if null) less center[k], as
  // (row - shift) * scale - center where the side has scales; writes squared norms when they are asked for.
  void (*pack)(const TileSide<T>& side, std::int64_t rows, std::int64_t cols, std::int64_t panel, const double* center,
               const std::int32_t* order, T* packed, double* squared_norms);

  // Distances of rows [i0, i1) of x and [j0, j1) of y into out[(i - i0) * ld + (j - j0)]; with `upper` only those with j > i,
  // the other entries of `out` stay as they are. `scratch`: scratch_size doubles. Returns early when `stop` asks for it.
  void (*tile)(const TileJob<T>& job, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper,
               double* scratch, T* out, std::int64_t ld, TileStats* stats, StopSignal stop);
};

namespace scalar {
extern const TileKernel<float> kernel_float32;
extern const TileKernel<double> kernel_float64;
}  // namespace scalar
#ifdef TOPO_INTERP_X86
namespace avx2 {
extern const TileKernel<float> kernel_float32;
extern const TileKernel<double> kernel_float64;
}  // namespace avx2
namespace avx512 {
extern const TileKernel<float> kernel_float32;
extern const TileKernel<double> kernel_float64;
}  // namespace avx512
#endif

}  // namespace topo_interp
