// Distances of single pairs, recomputed directly from the given rows where products lose too much; part of the tile kernel.
#pragma once
#include "cpu/tile.hpp"
#include "distance_rules.hpp"

namespace topo_interp::TOPO_INTERP_ISA {
namespace {

constexpr std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

// |x - y|^2 in double throughout; for unit rows the difference is that of (row - shift) * scale, and `other` gets |x + y|^2.
template <class T>
double squared_in_double(const TileJob<T>& job, std::int64_t i, std::int64_t j, double* other) {
  const T *x = job.x.rows + i * job.x.row_stride, *y = job.y.rows + j * job.y.row_stride;
  const bool scaled = job.x.scale != nullptr;
  const double x_scale = scaled ? job.x.scale[i] : 1, x_shift = scaled ? job.x.shift[i] : 0;
  const double y_scale = scaled ? job.y.scale[j] : 1, y_shift = scaled ? job.y.shift[j] : 0;
  const F64 xs = F64::all(x_scale), xm = F64::all(x_shift), ys = F64::all(y_scale), ym = F64::all(y_shift);
  F64 apart = F64::all(0), joint = F64::all(0);
  std::int64_t k = 0;
  for (; k + F64::lanes <= job.cols; k += F64::lanes) {
    const F64 a = (F64::widen(x + k) - xm) * xs, b = (F64::widen(y + k) - ym) * ys;
    const F64 difference = a - b, sum = a + b;
    apart = multiply_add(difference, difference, apart);
    joint = multiply_add(sum, sum, joint);
  }
  double squared = apart.sum(), together = joint.sum();
  for (; k < job.cols; ++k) {
    const double a = (static_cast<double>(x[k]) - x_shift) * x_scale, b = (static_cast<double>(y[k]) - y_shift) * y_scale;
    squared += (a - b) * (a - b);
    together += (a + b) * (a + b);
  }
  *other = together;
  return squared;
}

// sums[p] += |x - y_p|^2 over a slice of `depth` coordinates, at most recompute_chain registers: float32 differences (each within
// one rounding of the exact one) and float32 squares, a double sum. Each pair has its own register, so its value does not depend
// on which others stand beside it.
template <int Pairs>
TOPO_INTERP_FN void add_squares(const float* x, const float* slices, const std::int32_t* slots, std::int64_t depth, double* sums) {
  constexpr std::int64_t slice = recompute_chain * F32::lanes;
  F32 part[Pairs];
  const float* y[Pairs];
#pragma GCC unroll 4
  for (int p = 0; p < Pairs; ++p) {
    part[p] = F32::all(0);
    y[p] = slices + slots[p] * slice;
  }
  for (std::int64_t k = 0; k < depth; k += F32::lanes) {
    const F32 a = F32::load(x + k);
#pragma GCC unroll 4
    for (int p = 0; p < Pairs; ++p) {
      const F32 difference = a - F32::load(y[p] + k);
      part[p] = multiply_add(difference, difference, part[p]);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < Pairs; ++p) sums[p] += part[p].wide_sum();
}

// Scratch of a tile: totals (also the sums of recomputed pairs), lists of flagged columns, slices of rows.
template <class T>
struct Scratch {
  static constexpr std::int64_t side = TileKernel<T>::side;
  double* totals;
  std::int32_t* lists;  // side to a row, as columns counted from the left end of the block
  float* slices;
  explicit TOPO_INTERP_FN Scratch(double* memory)
      : totals(memory),
        lists(reinterpret_cast<std::int32_t*>(memory + side * side)),
        slices(reinterpret_cast<float*>(memory + side * side + side * side / 2)) {}
};
static_assert(TileKernel<float>::side * TileKernel<float>::side * 3 / 2 + TileKernel<float>::side * recompute_chain * F32::lanes / 2 <=
              TileKernel<float>::scratch_size);

// The rows come from far away and in pieces too short for the machine to guess the next: it is told, a few rows ahead.
TOPO_INTERP_FN void copy_slice(const float* row, std::int64_t stride, std::int64_t depth, float* to) {
  constexpr std::int64_t ahead = 6;
  for (std::int64_t k = 0; k < depth; k += F32::lanes) {
    if (k % 16 == 0)  // an address past the end is no pointer in C++, and harmless to the machine
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(row + k) +
                                                       static_cast<std::uintptr_t>(ahead * stride) * sizeof(float)));
    F32::load(row + k).store(to + k);
  }
}

// Squared distances of all flagged pairs of a block into sums[r * side + f], f counting along the list of row r. Slice by slice,
// so that the rows, copied side by side, stay in the cache: rows whose length is a power of two would push each other out.
inline bool squared_directly(const TileJob<float>& job, std::int64_t i0, std::int64_t rows, std::int64_t left,
                             const std::int32_t* counts, Scratch<float> scratch, StopSignal stop) {
  constexpr std::int64_t side = Scratch<float>::side, slice = recompute_chain * F32::lanes;
  alignas(64) float x[slice];
  bool used[side] = {};
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int32_t f = 0; f < counts[r]; ++f) {
      scratch.totals[r * side + f] = 0;
      used[scratch.lists[r * side + f]] = true;
    }
  const std::int64_t whole = job.cols - job.cols % F32::lanes;
  for (std::int64_t k0 = 0; k0 < whole; k0 += slice) {
    if (stop.asked(stop.control)) return false;
    const std::int64_t depth = least(slice, whole - k0);
    for (std::int64_t slot = 0; slot < side; ++slot)
      if (used[slot]) {
        const float* y = job.y.rows + (left + slot) * job.y.row_stride + k0;
        copy_slice(y, job.y.row_stride, depth, scratch.slices + slot * slice);
      }
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!counts[r]) continue;
      const float* row = job.x.rows + (i0 + r) * job.x.row_stride + k0;
      copy_slice(row, job.x.row_stride, depth, x);
      const std::int32_t* list = scratch.lists + r * side;
      double* sums = scratch.totals + r * side;
      std::int32_t f = 0;
      for (; f + 4 <= counts[r]; f += 4) add_squares<4>(x, scratch.slices, list + f, depth, sums + f);
      for (; f < counts[r]; ++f) add_squares<1>(x, scratch.slices, list + f, depth, sums + f);
    }
  }
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int32_t f = 0; f < counts[r]; ++f) {
      const std::int64_t j = left + scratch.lists[r * side + f];
      const float *a = job.x.rows + (i0 + r) * job.x.row_stride, *b = job.y.rows + j * job.y.row_stride;
      double& sum = scratch.totals[r * side + f];
      for (std::int64_t k = whole; k < job.cols; ++k) {
        const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
        sum += difference * difference;
      }
      // float32 squares have left their range; NaN and infinity fail the comparison too. Equal rows come here as well.
      double unused;
      if (!(sum >= job.underflow && sum < 1e300)) sum = squared_in_double(job, i0 + r, j, &unused);
    }
  return true;
}

// Recomputes the flagged pairs of rows [i0, i0 + rows), whose columns are counted from `left`, into `out`, which begins at j0.
template <class Metric, class T>
void recompute(const TileJob<T>& job, std::int64_t i0, std::int64_t rows, std::int64_t left, std::int64_t j0,
               const std::int32_t* counts, Scratch<T> scratch, T* out, std::int64_t ld, TileStats* stats, StopSignal stop) {
  constexpr std::int64_t side = Scratch<T>::side;
  constexpr bool directly = sizeof(T) == sizeof(float) && !Metric::unit_rows;
  if constexpr (directly)
    if (!squared_directly(job, i0, rows, left, counts, scratch, stop)) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (!counts[r]) continue;
    if (stop.asked(stop.control)) return;
    for (std::int32_t f = 0; f < counts[r]; ++f) {
      const std::int64_t j = left + scratch.lists[r * side + f];
      T& to = out[r * ld + (j - j0)];
      double other = 0, squared = 0;
      if constexpr (directly) {
        squared = scratch.totals[r * side + f];
      } else {
        squared = squared_in_double(job, i0 + r, j, &other);
      }
      if (squared > stats->largest_recomputed) stats->largest_recomputed = squared;
      if (Metric::largest_trusted < 4) {  // the angle
        to = static_cast<T>(2 * ::atan2(::sqrt(squared), ::sqrt(other)));
      } else {
        // In double, because the squares of small and large distances leave the range of float32 before the root is taken.
        double lane[F64::lanes];
        Metric::epilogue(F64::all(squared)).store(lane);
        to = static_cast<T>(lane[0]);
      }
    }
    stats->recomputed += counts[r];
  }
}

}  // namespace
}  // namespace topo_interp::TOPO_INTERP_ISA
