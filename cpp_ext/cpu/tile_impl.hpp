// The tile kernel, written over the registers F32 and F64 of one instruction set and compiled once for each. No standard
// library here: an inline function of it, compiled for AVX-512 and kept by the linker for everybody, would crash others.
#pragma once
#include "cpu/tile.hpp"
#include "cpu/tile_recompute.hpp"
#include "distance_rules.hpp"

namespace topo_interp::TOPO_INTERP_ISA {
namespace {

template <class T>
struct RegisterOf {
  using type = F32;
};
template <>
struct RegisterOf<double> {
  using type = F64;
};

// ---- packing ----------------------------------------------------------------------------------------------------------------

template <class T>
void pack(const TileSide<T>& side, std::int64_t rows, std::int64_t cols, std::int64_t panel, const double* center,
          const std::int32_t* order, T* packed, double* squared_norms) {
  using V = typename RegisterOf<T>::type;
  constexpr int width = V::lanes * V::block_vectors;
  constexpr int depth = 64;
  const std::int64_t first = panel * width;
  const int count = static_cast<int>(least(width, rows - first));
  T corner[width][depth];
  double norms[width] = {};
  for (int r = 0; r < width; ++r)
    for (int k = 0; k < depth; ++k) corner[r][k] = T(0);
  for (std::int64_t k0 = 0; k0 < cols; k0 += depth) {
    const int span = static_cast<int>(least(depth, cols - k0));
    for (int r = 0; r < count; ++r) {
      const T* row = side.rows + (first + r) * side.row_stride;
      T* out = corner[r];
      if (side.scale) {
        const double scale = side.scale[first + r], shift = side.shift[first + r];
        if (order) {
          for (int k = 0; k < span; ++k)
            out[k] = static_cast<T>((static_cast<double>(row[order[k0 + k]]) - shift) * scale - center[k0 + k]);
        } else {
          for (int k = 0; k < span; ++k)
            out[k] = static_cast<T>((static_cast<double>(row[k0 + k]) - shift) * scale - center[k0 + k]);
        }
      } else if (!center) {
        for (int k = 0; k < span; ++k) out[k] = row[k0 + k];
      } else if (order) {
        for (int k = 0; k < span; ++k) out[k] = row[order[k0 + k]] - static_cast<T>(center[k0 + k]);
      } else {
        for (int k = 0; k < span; ++k) out[k] = row[k0 + k] - static_cast<T>(center[k0 + k]);
      }
    }
    T* to = packed + k0 * width;
    for (int k = 0; k < span; ++k, to += width) {
      for (int r = 0; r < width; ++r) to[r] = corner[r][k];
      if (squared_norms)
        for (int r = 0; r < width; ++r) norms[r] += static_cast<double>(to[r]) * static_cast<double>(to[r]);
    }
  }
  if (squared_norms)
    for (int r = 0; r < width; ++r) squared_norms[r] = norms[r];
}

// ---- accumulation over coordinates ------------------------------------------------------------------------------------------

// A block of block_rows x (block_vectors * lanes) totals gets coordinates [0, depth): in registers for one chain at a time,
// whose end joins the doubles of `total`.
template <class Metric, class V>
void accumulate_block(const typename V::Lane* x, const typename V::Lane* y, std::int64_t depth, std::int64_t chain,
                      double* total, std::int64_t ld) {
  constexpr int rows = V::block_rows, vectors = V::block_vectors, width = V::lanes * vectors;
  while (depth > 0) {
    const std::int64_t steps = least(chain, depth);
    V part[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) part[r][v] = V::all(0);
#pragma GCC unroll 2
    for (std::int64_t k = 0; k < steps; ++k, x += width, y += width) {
      V column[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) column[v] = V::load(y + v * V::lanes);
      __builtin_prefetch(x + rows);  // the next rows of this panel, whose slices lie a stride apart
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const V row = V::broadcast(x + r);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) part[r][v] = Metric::core(part[r][v], row, column[v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        keep_in_register(part[r][v]);  // compilers widen all of them first and spill most: a tenth of the time at d = 768
        Metric::collect(total + r * ld + v * V::lanes, part[r][v]);
      }
    depth -= steps;
  }
}

// Totals of rows [i0, i1) of x and [j0, j1) of y, all multiples of the panel width except i0 and i1, which are multiples of
// block_rows. Returns false when asked to stop.
template <class Metric, class V>
bool accumulate(const TileJob<typename V::Lane>& job, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1,
                bool upper, double* total, StopSignal stop) {
  constexpr std::int64_t side = TileKernel<typename V::Lane>::side;
  constexpr std::int64_t width = V::lanes * V::block_vectors;
  for (std::int64_t p = 0; p < (i1 - i0) * side; ++p) total[p] = 0;
  // A slice of one panel of y stays near while all rows of x pass it. Half as long and it would stay in the first-level cache, but
  // totals would come and go twice as often, which costs more.
  const std::int64_t bytes = width * static_cast<std::int64_t>(sizeof(typename V::Lane));
  const std::int64_t slice = job.chain * most(1, 49152 / (bytes * job.chain));
  for (std::int64_t k0 = 0; k0 < job.cols; k0 += slice) {
    if (stop.asked(stop.control)) return false;
    const std::int64_t depth = least(slice, job.cols - k0);
    for (std::int64_t j = j0; j < j1; j += width) {
      const auto* y = job.y.panels + (j / width * job.cols + k0) * width;
      for (std::int64_t i = i0; i < i1; i += V::block_rows) {
        if (upper && j + width - 1 <= i) break;  // all of it lies on or below the diagonal, and so does what follows
        const auto* x = job.x.panels + (i / width * job.cols + k0) * width + i % width;
        accumulate_block<Metric, V>(x, y, depth, job.chain, total + (i - i0) * side + (j - j0), side);
      }
    }
  }
  return true;
}

// ---- from totals to distances -----------------------------------------------------------------------------------------------

// |x|^2 + |y|^2 - 2 <x, y> of row i with columns [j0, j0 + count), count a multiple of the lanes; flags what products can not
// give: `flagged` gets the columns within [first, last), counted from `left`, whose d^2 is too small a share of the norms, out of the range in
// which float32 squares keep their digits, larger than the norms allow (overflow), or NaN.
template <class Metric, class T>
std::int32_t finish_products(const TileJob<T>& job, std::int64_t i, std::int64_t left, std::int64_t j0, std::int64_t count,
                             std::int64_t first, std::int64_t last, const double* total, T* out, std::int32_t* flagged,
                             TileStats* stats) {
  using V = typename RegisterOf<T>::type;
  constexpr int parts = V::lanes / F64::lanes;
  const F64 norm = F64::all(job.x.squared_norms[i]), share = F64::all(job.recompute), least_square = F64::all(job.underflow);
  const F64 most_sum = F64::all(most_share), minus_two = F64::all(-2);
  constexpr double range = largest_square<T>;
  const F64 trusted = F64::all(Metric::largest_trusted < range ? Metric::largest_trusted : range);
  F64 ratio = F64::all(stats->largest_ratio), largest = F64::all(stats->largest_sum);
  std::int32_t flags = 0;
  for (std::int64_t j = 0; j < count; j += V::lanes) {
    F64 squared[parts];
    for (int p = 0; p < parts; ++p) {
      const std::int64_t at = j + p * F64::lanes;
      const F64 sum = norm + F64::load(job.y.squared_norms + j0 + at);
      squared[p] = multiply_add(minus_two, F64::load(total + at), sum);
      const auto outside = F64::outside(squared[p], larger(share * sum, least_square), smaller(most_sum * sum, trusted));
      unsigned bits = F64::bits(outside);
      // Columns that nobody asked for may count in the statistics: they are pairs of true rows (or of zero rows), and a bound
      // over more pairs is still a bound. They must not be recomputed.
      if (stats->wanted) {
        ratio = larger(ratio, F64::zero_where(outside, sum * sum / squared[p]));
        largest = larger(largest, F64::zero_where(outside, sum));
      }
      if (j0 + at < first) bits &= first - j0 - at < 32 ? ~0u << (first - j0 - at) : 0u;
      if (j0 + at + F64::lanes > last) bits &= last - j0 - at > 0 ? ~(~0u << (last - j0 - at)) : 0u;
      for (; bits; bits &= bits - 1) flagged[flags++] = static_cast<std::int32_t>(j0 - left + at + __builtin_ctz(bits));
    }
    Metric::epilogue(V::narrow(squared)).store(out + j);
  }
  double lane[F64::lanes];
  ratio.store(lane);
  for (double r : lane) stats->largest_ratio = r > stats->largest_ratio ? r : stats->largest_ratio;
  largest.store(lane);
  for (double s : lane) stats->largest_sum = s > stats->largest_sum ? s : stats->largest_sum;
  return flags;
}

template <class Metric, class T>
void block(const TileJob<T>& job, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper, double* scratch,
           T* out, std::int64_t ld, TileStats* stats, StopSignal stop) {
  using V = typename RegisterOf<T>::type;
  constexpr std::int64_t side = TileKernel<T>::side, width = V::lanes * V::block_vectors;
  constexpr int parts = V::lanes / F64::lanes;
  const std::int64_t top = i0 - i0 % V::block_rows, left = j0 - j0 % width;
  const std::int64_t bottom = (i1 + V::block_rows - 1) / V::block_rows * V::block_rows;
  const std::int64_t right = (j1 + width - 1) / width * width;
  const Scratch<T> memory(scratch);
  if (!accumulate<Metric, V>(job, top, bottom, left, right, upper, memory.totals, stop)) return;
  T row[side];
  std::int32_t counts[side] = {};
  bool any = false;
  for (std::int64_t i = i0; i < i1; ++i) {
    const std::int64_t first = upper ? most(j0, i + 1) : j0;
    if (first >= j1) continue;
    // Whole registers; what lies before `first` is dropped below.
    const std::int64_t start = left + (first - left) / V::lanes * V::lanes;
    const std::int64_t count = least(right, (j1 - start + V::lanes - 1) / V::lanes * V::lanes + start) - start;
    const double* total = memory.totals + (i - top) * side + (start - left);
    if constexpr (Metric::needs_norms) {
      counts[i - i0] = finish_products<Metric>(job, i, left, start, count, first, j1, total, row, memory.lists + (i - i0) * side, stats);
      any |= counts[i - i0] > 0;
    } else {
      for (std::int64_t j = 0; j < count; j += V::lanes) {
        F64 wide[parts];
        for (int p = 0; p < parts; ++p) wide[p] = F64::load(total + j + p * F64::lanes);
        Metric::epilogue(V::narrow(wide)).store(row + j);
      }
    }
    T* to = out + (i - i0) * ld + (first - j0);
    for (std::int64_t j = first; j < j1; ++j) to[j - first] = row[j - start];
  }
  if constexpr (Metric::needs_norms)
    if (any) recompute<Metric>(job, i0, i1 - i0, left, j0, counts, memory, out, ld, stats, stop);
}

template <class T>
void hamming_block(const TileJob<T>& job, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper, T* out,
                   std::int64_t ld, StopSignal stop) {
  for (std::int64_t i = i0; i < i1; ++i) {
    if (stop.asked(stop.control)) return;
    const std::uint64_t* x = job.x.bits + i * job.words;
    for (std::int64_t j = upper ? most(j0, i + 1) : j0; j < j1; ++j) {
      const std::uint64_t* y = job.y.bits + j * job.words;
      long long total = 0;
      for (std::int64_t w = 0; w < job.words; ++w) total = Hamming::core(total, x[w], y[w]);
      out[(i - i0) * ld + (j - j0)] = static_cast<T>(Hamming::epilogue(total, job.cols));
    }
  }
}

template <class T>
void tile(const TileJob<T>& job, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper, double* scratch,
          T* out, std::int64_t ld, TileStats* stats, StopSignal stop) {
  constexpr std::int64_t side = TileKernel<T>::side;
  for (std::int64_t i = i0; i < i1;) {
    const std::int64_t i_end = least(i1, i - i % side + side);
    for (std::int64_t j = j0; j < j1;) {
      const std::int64_t j_end = least(j1, j - j % side + side);
      T* to = out + (i - i0) * ld + (j - j0);
      if (!upper || j_end - 1 > i) {
        switch (job.metric) {
          case MetricKind::euclidean: block<Euclidean>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::sqeuclidean: block<SqEuclidean>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::manhattan: block<Manhattan>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::chebyshev: block<Chebyshev>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::cosine: block<Cosine>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::chordal: block<Chordal>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::angular: block<Angular>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::correlation: block<Correlation>(job, i, i_end, j, j_end, upper, scratch, to, ld, stats, stop); break;
          case MetricKind::hamming: hamming_block(job, i, i_end, j, j_end, upper, to, ld, stop); break;
        }
      }
      if (stop.asked(stop.control)) return;
      j = j_end;
    }
    i = i_end;
  }
}

}  // namespace

// `extern` because a const object would otherwise belong to this file alone.
extern const TileKernel<float> kernel_float32;
extern const TileKernel<double> kernel_float64;
const TileKernel<float> kernel_float32 = {F32::lanes * F32::block_vectors, &pack<float>, &tile<float>};
const TileKernel<double> kernel_float64 = {F64::lanes * F64::block_vectors, &pack<double>, &tile<double>};

}  // namespace topo_interp::TOPO_INTERP_ISA
