// All pairs at once: the square, its upper half, and the look for bad rows that comes before either.
#pragma once
#include <cstdint>

#include "cpu/pairwise.hpp"
#include "interrupt.hpp"
#include "views.hpp"

namespace topo_interp {

// All of x with y, row by row into out (rows x columns, C order); symmetric ones are mirrored, with a zero diagonal.
template <class T>
void all_distances(const PairwiseDistances<T>& distances, T* out, int threads, Control& control);

// The upper triangle of a symmetric one in scipy's condensed order, rounded to float32; returns a bound on |stored - exact|.
template <class T>
double condensed_distances(const PairwiseDistances<T>& distances, float* out, int threads, Control& control);

// The first row with a NaN or an infinity, or -1; `largest` gets the largest absolute value when there is none.
template <class T>
std::int64_t first_bad_row(MatrixView<T> x, int threads, const Control& control, double& largest);

}  // namespace topo_interp
