// Every metric, written once: what it accumulates over coordinates (core), how partial results join (collect), and what it
// makes of the total (epilogue). Scalar, AVX2, AVX-512 and CUDA code include this text, each inside a namespace of its own
// (TOPO_INTERP_ISA), so that no function compiled for one instruction set is ever linked into code for another.
//
// Two families:
//   needs_norms: sums of products over centered rows give |x|^2 + |y|^2 - 2 <x, y>; the epilogue takes that squared
//     Euclidean distance (for cosine, chordal, angular, correlation: of unit rows, the squared chord).
//   otherwise: the core sees both coordinates and the epilogue takes the total.
#pragma once

#ifndef TOPO_INTERP_ISA
#error "define TOPO_INTERP_ISA (the namespace of this instruction set) before including metrics.hpp"
#endif
#ifndef TOPO_INTERP_FN  // CUDA adds __host__ __device__
#define TOPO_INTERP_FN inline __attribute__((always_inline))
#endif
#ifndef TOPO_INTERP_POPCOUNT  // and has a name of its own for this
#define TOPO_INTERP_POPCOUNT __builtin_popcountll
#endif

namespace topo_interp {

// In the order of the names that the binding knows.
enum class MetricKind : int { euclidean, sqeuclidean, manhattan, chebyshev, cosine, chordal, angular, correlation, hamming };

namespace TOPO_INTERP_ISA {

// x - y, and the larger of `most` and |a|: registers that have a faster way to the same bits overload these.
template <class V>
TOPO_INTERP_FN V difference(V x, V y) { return x - y; }
template <class V>
TOPO_INTERP_FN V larger_size(V most, V a) { return larger(most, absolute(a)); }

// Of product metrics. `unit_rows`: rows are divided by their length first; `centered_rows`: each row's own mean is removed before.
template <bool UnitRows, bool CenteredRows = false>
struct ProductMetric {
  static constexpr bool needs_norms = true;
  static constexpr bool unit_rows = UnitRows;
  static constexpr bool centered_rows = CenteredRows;
  // A squared distance beyond this is recomputed: only the angle is ill-conditioned at its far end.
  static constexpr double largest_trusted = 1e300;
  template <class V>
  static TOPO_INTERP_FN V core(V total, V x, V y) { return multiply_add(x, y, total); }
  template <class V>
  static TOPO_INTERP_FN void collect(double* total, V part) { part.add_to(total); }
};

struct Euclidean : ProductMetric<false> {
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return square_root(squared); }
};

struct SqEuclidean : ProductMetric<false> {
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return squared; }
};

struct Chordal : ProductMetric<true> {
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return square_root(squared); }
};

// 1 - cos = chord^2 / 2: the small distances of near-parallel rows keep all their digits.
struct Cosine : ProductMetric<true> {
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return squared * V::all(0.5); }
};

struct Correlation : ProductMetric<true, true> {
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return squared * V::all(0.5); }
};

// 2 arcsin(chord / 2), which loses digits where the chord nears 2: there 2 atan2(|x - y|, |x + y|) of the rows is used.
struct Angular : ProductMetric<true> {
  static constexpr double largest_trusted = 3.5;
  template <class V>
  static TOPO_INTERP_FN V epilogue(V squared) { return twice_arcsine(square_root(squared) * V::all(0.5)); }
};

struct Manhattan {
  static constexpr bool needs_norms = false;
  template <class V>
  static TOPO_INTERP_FN V core(V total, V x, V y) { return total + absolute(difference(x, y)); }
  template <class V>
  static TOPO_INTERP_FN void collect(double* total, V part) { part.add_to(total); }
  template <class V>
  static TOPO_INTERP_FN V epilogue(V total) { return total; }
};

struct Chebyshev {
  static constexpr bool needs_norms = false;
  template <class V>
  static TOPO_INTERP_FN V core(V total, V x, V y) { return larger_size(total, difference(x, y)); }
  template <class V>
  static TOPO_INTERP_FN void collect(double* total, V part) { part.max_to(total); }
  template <class V>
  static TOPO_INTERP_FN V epilogue(V total) { return total; }
};

// On sign patterns: 64 coordinates to a word, a bit is set where the coordinate is positive (the unit fires).
struct Hamming {
  static constexpr bool needs_norms = false;
  template <class Word>
  static TOPO_INTERP_FN long long core(long long total, Word x, Word y) { return total + TOPO_INTERP_POPCOUNT(x ^ y); }
  static TOPO_INTERP_FN double epilogue(long long total, long long cols) {
    return static_cast<double>(total) / static_cast<double>(cols);
  }
};

}  // namespace TOPO_INTERP_ISA
}  // namespace topo_interp
