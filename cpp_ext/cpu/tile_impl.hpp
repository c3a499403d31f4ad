// The tile kernel, written over the registers F32 and F64 of one instruction set and compiled once for each. No standard
// library here: an inline function of it, compiled for AVX-512 and kept by the linker for everybody, would crash others.
#pragma once
#include "cpu/tile.hpp"
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

// Recomputed pairs sum float32 squares in chains of this many terms for each lane, then in double.
constexpr std::int64_t recompute_chain = 32;

constexpr std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

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
      for (int v = 0; v < vectors; ++v) Metric::collect(total + r * ld + v * V::lanes, part[r][v]);
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
  // A slice of one panel of y stays in the first-level cache while all rows of x pass it.
  const std::int64_t bytes = width * static_cast<std::int64_t>(sizeof(typename V::Lane));
  const std::int64_t slice = job.chain * most(1, 24576 / (bytes * job.chain));
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

// ---- direct recomputation from the given rows -------------------------------------------------------------------------------

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
