// Lower bounds on the distances between groups of rows, from a ball around each group.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/rounding.hpp"
#include "interrupt.hpp"
#include "views.hpp"

namespace topo_interp {

// Of metrics that are functions of Euclidean distances, see DistanceSource::lower_bounds: |x - y| >= |a - b| - r_a - r_b for rows
// in balls of radius r_a around a and r_b around b. `scale` and `shift` make unit rows; null otherwise. O((n + groups^2) cols).
template <class T>
std::vector<T> bounds_between_groups(MatrixView<T> rows, const double* scale, const double* shift, const RoundingCase& rounding,
                                     const std::vector<std::int32_t>& group, std::int64_t groups, int threads,
                                     const Control& control);

}  // namespace topo_interp
