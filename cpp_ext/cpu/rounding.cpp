#include "cpu/rounding.hpp"

#include <algorithm>
#include <cmath>

#define TOPO_INTERP_ISA bound
#include "distance_rules.hpp"
#include "metrics.hpp"

namespace topo_interp {
namespace {

double unit(bool single) { return single ? 0x1p-24 : 0x1p-53; }
// gamma(k) below.
double sum_error(double terms, double u) { return terms * u / (1 - terms * u); }
// E / s below.
double product_error(const RoundingCase& of) {
  const double terms = static_cast<double>(of.single ? of.chain : of.cols);
  return sum_error(terms, unit(of.single)) + 3 * (static_cast<double>(of.cols) + 8) * unit(false);
}

}  // namespace

double unit_row_error(std::int64_t cols) { return 2 * (static_cast<double>(cols) + 16) * 2 * unit(false); }

std::int64_t chain_length(bool single, bool products, std::int64_t cols, std::int64_t step) {
  if (!single) return 256;
  if (!products) return 32;
  const auto steps = static_cast<std::int64_t>(2 * std::sqrt(static_cast<double>(cols)) / static_cast<double>(step) + 1);
  return std::clamp<std::int64_t>(steps * step, 16, 128);
}

// Notation: u half the spacing of T at 1, w = 2^-53, gamma(k) = k u / (1 - k u), d the exact and e the computed distance,
// s = |x_c|^2 + |y_c|^2 of the centered rows as stored.
//
// Products. Storing x_c rounds each entry once, so that the distance of the stored rows is within u (|x_c| + |y_c|) <=
// u sqrt(2 s) of the exact one. Each product passes one chain of at most `chain` additions in T and then double ones:
// |<x, y> computed - exact| <= g |x_c||y_c| <= g s / 2, g = gamma(chain) + (cols + 8) w; norms and the final sums add
// (cols + 8) w s. So |e^2 - d_c^2| <= E = (g + 2 (cols + 8) w) s, and |e - d_c| = |e^2 - d_c^2| / (e + d_c) <=
// (E / e) / (1 + sqrt(1 - E / e^2)), where e^2 >= c s because other pairs are recomputed. In doubles each product passes up
// to cols additions: g = gamma(cols).
//
// Recomputed pairs. float32: the difference is rounded once, its square and sums at most recompute_chain + 1 times, so
// |e^2 - d^2| <= gamma(recompute_chain + 4) d^2, and so with |e - d|. In double: (cols + 8) w d.
// Unit rows carry the error of their length and shift: at most (cols + 16) 2 w each, in units of the sphere.
//
// Last, e^2 is rounded to T and so is its root: 2 u e. A function f of the distance then has |f(e) - f(d)| by its slope.
//
// Below the normal numbers errors are absolute. What is rounded to T moves by half of its smallest number; of the squares in
// double, cols that move by 2^-1075 each move the root by at most the root of their sum.
double rounding_bound(const RoundingCase& of, const TileStats& stats, double largest) {
  const bool single = of.single;
  const double u = unit(single), w = unit(false), cols = static_cast<double>(of.cols);
  const auto gamma = [&](double k) { return sum_error(k, u); };
  const double spare = 1.0001;  // for the roundings of these lines themselves
  if (of.metric == MetricKind::hamming) return u;
  if (of.metric == MetricKind::chebyshev) return spare * u * largest;
  if (of.metric == MetricKind::manhattan)
    return spare * (gamma(static_cast<double>(of.chain) + 2) + (single ? cols * w : gamma(cols)) + u) * largest;

  const double g = product_error(of);
  const double center = u * std::sqrt(2 * stats.largest_sum);
  const double product = g * std::sqrt(stats.largest_ratio) / (1 + std::sqrt(1 - g / of.recompute));
  const double direct = (single && !of.unit_rows ? gamma(recompute_chain + 4) : (cols + 8) * w) * std::sqrt(stats.largest_recomputed);
  const double lengths = of.unit_rows ? unit_row_error(of.cols) : 0;
  // e^2 <= most_share s where products gave it.
  const double longest = std::sqrt(std::max(most_share * stats.largest_sum, stats.largest_recomputed));
  const double distance = std::max(center + product, direct) + lengths + std::sqrt(cols) * 0x1p-537;
  const double least = single ? 0x1p-150 : cols * 0x1p-1074;
  switch (of.metric) {
    case MetricKind::sqeuclidean: return spare * ((2 * longest + distance) * distance + u * largest) + least;
    case MetricKind::cosine:
    case MetricKind::correlation: return spare * ((2 * longest + distance) * distance / 2 + 2 * u * largest);
    case MetricKind::angular: {
      // Slope 1 / sqrt(1 - chord^2 / 4) with chord^2 <= largest_trusted; beyond, atan2 of two doubles has slope at most 1.
      const double chord = std::sqrt(bound::Angular::largest_trusted) + distance;
      return spare * (distance / std::sqrt(1 - chord * chord / 4) + 4 * u * largest);
    }
    default: return spare * (distance + 2 * u * longest) + least;
  }
}

// Where products give e, e^2 >= c s: the first two terms above are at most (g / c) e and u sqrt(2 / c) e. Recomputed pairs
// follow, and 8 u leave room for the roundings of the function, whose relative slope is at least 1.
double relative_rounding(const RoundingCase& of) {
  const double u = unit(of.single), cols = static_cast<double>(of.cols);
  return product_error(of) / of.recompute + u * std::sqrt(2 / of.recompute) +
         sum_error(static_cast<double>(recompute_chain + 4), u) + (cols + 8) * unit(false) + 8 * u;
}

}  // namespace topo_interp
