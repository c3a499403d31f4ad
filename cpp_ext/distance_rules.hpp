// The rules of docs/decisions/0002 that every backend follows: which rows the center is a mean of, how it is rounded, when a
// product is not trusted. Plain constants and functions without state; CUDA adds its annotations.
#pragma once
#include <cstdint>

#ifndef TOPO_INTERP_HD
#define TOPO_INTERP_HD inline
#endif

namespace topo_interp {

// Pairs with d^2 below this share of |x_c|^2 + |y_c|^2 are recomputed from the given rows. Calibrated: docs/decisions/0002. What
// float32 products lose is about 3e-7 of the norms; double has digits to spare.
template <class T>
inline constexpr double recompute_share = sizeof(T) == sizeof(float) ? 0.15 : 1.0 / 1024;

// A squared distance is at most twice the sum of the squared norms; what is more has overflowed on the way.
inline constexpr double most_share = 2.0625;

// Beyond this squares leave the range in which T keeps its digits.
template <class T>
inline constexpr double largest_square = sizeof(T) == sizeof(float) ? 1e38 : 1e300;

// And below this.
template <class T>
constexpr double least_square(std::int64_t cols) {
  return sizeof(T) == sizeof(float) ? 1e-29 * static_cast<double>(cols) : 1e-280;
}

// Any center near the mean serves: it takes the common offset out of the products, and what is left of it, the spread over the
// root of the number of rows, is nothing beside the norms. So the mean of some rows does, and the others need no reading.
inline constexpr std::int64_t center_rows = 1024;

// The rows that it is a mean of where there are more. A multiplicative hash instead of even steps, which could meet just one
// of two kinds of rows that alternate.
TOPO_INTERP_HD std::int64_t scattered_row(std::int64_t place, std::int64_t rows) {
  const auto hash = static_cast<std::uint32_t>(static_cast<std::uint64_t>(place) * 2654435761u);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(hash) * static_cast<std::uint64_t>(rows) >> 32);
}

// Columns whose entries are multiples of a power of two within this many bits (integers, say) get a center that is one too:
// centered entries are then exact, products of small ones as well, and every backend gives the same bits.
inline constexpr int lattice_bits = 20;

// Coordinates are summed in ascending order of their spread where the largest is this many times the mean.
inline constexpr double uneven_spread = 4;

}  // namespace topo_interp
