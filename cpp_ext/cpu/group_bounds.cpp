#include "cpu/group_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#define TOPO_INTERP_ISA balls
#include "metrics.hpp"
#include "parallel.hpp"

namespace topo_interp {
namespace {

double distance(const double* a, const double* b, std::int64_t cols) {
  constexpr std::int64_t lanes = 8;  // sums side by side, which a compiler may keep in registers
  double squared[lanes] = {}, total = 0;
  std::int64_t k = 0;
  for (; k + lanes <= cols; k += lanes)
    for (std::int64_t lane = 0; lane < lanes; ++lane) squared[lane] += (a[k + lane] - b[k + lane]) * (a[k + lane] - b[k + lane]);
  for (; k < cols; ++k) total += (a[k] - b[k]) * (a[k] - b[k]);
  for (const double part : squared) total += part;
  return std::sqrt(total);
}

// The function that a metric applies, rising and with a relative slope of at least 1.
double value_at(double distance, MetricKind metric) {
  switch (metric) {
    case MetricKind::sqeuclidean: return distance * distance;
    case MetricKind::cosine:
    case MetricKind::correlation: return distance * distance / 2;
    case MetricKind::angular: return 2 * std::asin(std::min(1.0, distance / 2));
    default: return distance;
  }
}

}  // namespace

template <class T>
std::vector<T> bounds_between_groups(MatrixView<T> rows, const double* scale, const double* shift, const RoundingCase& rounding,
                                     const std::vector<std::int32_t>& group, std::int64_t groups, int threads,
                                     const Control& control) {
  const std::int64_t n = rows.rows, cols = rows.cols;
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  std::vector<double> centers(at(groups * cols), 0.0), radius(at(groups), 0.0), sizes(at(groups), 0.0), row(at(cols));
  const auto read = [&](std::int64_t i) {
    if (i % 256 == 0 && control.stopped()) throw Interrupted();
    const T* from = rows.data + i * rows.row_stride;
    const double factor = scale ? scale[i] : 1, mean = scale ? shift[i] : 0;
    for (std::int64_t k = 0; k < cols; ++k) row[at(k)] = (static_cast<double>(from[k]) - mean) * factor;
    return centers.data() + group[at(i)] * cols;
  };
  for (std::int64_t i = 0; i < n; ++i) {
    double* center = read(i);
    for (std::int64_t k = 0; k < cols; ++k) center[k] += row[at(k)];
    ++sizes[at(group[at(i)])];
  }
  for (std::int64_t a = 0; a < groups; ++a)
    for (std::int64_t k = 0; k < cols; ++k) centers[at(a * cols + k)] /= std::max(1.0, sizes[at(a)]);
  for (std::int64_t i = 0; i < n; ++i) {
    double& own = radius[at(group[at(i)])];
    own = std::max(own, distance(read(i), row.data(), cols));
  }

  // Whatever was rounded above, the centers are points; a distance in double is within cols + 8 roundings of its own size, and of
  // what its squares lose below the smallest number. From 2^-499 on, of gaps as of distances, that is less than one rounding.
  const double ours = (static_cast<double>(cols) + 8) * 0x1p-53, share = 1 - relative_rounding(rounding);
  const double lengths = rounding.unit_rows ? 2 * unit_row_error(cols) : 0, lost = std::sqrt(static_cast<double>(cols)) * 0x1p-537;
  constexpr double least = static_cast<double>(std::numeric_limits<T>::min()) * 0x1p24;  // below it T has no relative accuracy
  std::vector<T> bounds(at(groups * groups), T(0));
  parallel_for(threads, groups, control, [&](std::int64_t a, int) {
    for (std::int64_t b = 0; b < a; ++b) {
      const double apart = distance(centers.data() + a * cols, centers.data() + b * cols, cols);
      const double gap = apart * (1 - ours) - (radius[at(a)] + radius[at(b)] + 2 * lost) * (1 + 2 * ours) - lengths;
      const double value = share > 0 && gap > 0x1p-499 ? value_at(share * gap, rounding.metric) * share : 0;
      if (!(value > least)) continue;
      bounds[at(a * groups + b)] = bounds[at(b * groups + a)] = static_cast<T>(value * (1 - 0x1p-20));
    }
  });
  if (control.stopped()) throw Interrupted();
  return bounds;
}

template std::vector<float> bounds_between_groups(MatrixView<float>, const double*, const double*, const RoundingCase&,
                                                  const std::vector<std::int32_t>&, std::int64_t, int, const Control&);
template std::vector<double> bounds_between_groups(MatrixView<double>, const double*, const double*, const RoundingCase&,
                                                   const std::vector<std::int32_t>&, std::int64_t, int, const Control&);

}  // namespace topo_interp
