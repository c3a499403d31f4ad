#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/rounding.hpp"
#include "cuda/cloud_kernels.cuh"

namespace topo_interp::cuda {
namespace {

constexpr std::int64_t pitch_of(std::int64_t cols) { return (cols + 15) / 16 * 16; }

// The first `count` rows, or scattered ones, in memory of the device as they were given.
DeviceBuffer<char> raw_rows(const Execution& on, const GivenPoints& points, std::int64_t count, bool scattered) {
  const std::int64_t width = points.cols * item_size(points.item);
  std::vector<char> rows(static_cast<std::size_t>(count * width));
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t row = scattered ? scattered_row(r, points.rows) : r;
    std::memcpy(rows.data() + r * width, static_cast<const char*>(points.data) + row * points.row_stride * item_size(points.item),
                static_cast<std::size_t>(width));
  }
  return to_device(on, rows.data(), count * width);
}

}  // namespace

DeviceBuffer<float> offset_of(const GivenPoints& points, const Execution& on) {
  return points.offset ? to_device(on, points.offset, points.cols) : DeviceBuffer<float>{};
}

template <class T>
std::int64_t prepared_row_bytes(const GivenPoints& points, MetricKind metric) {
  const auto size = static_cast<std::int64_t>(sizeof(T));
  std::int64_t bytes = points.is_read_in_place(size) ? 0 : points.cols * size;
  if (!points.on_device && item_size(points.item) != size) bytes += points.cols * item_size(points.item);  // not yet widened
  if (metric == MetricKind::hamming) return bytes + pieces(points.cols, 64) * 8;
  return bytes + pitch_of(points.cols) * size + 3 * 8;
}

template <class T>
Preparation<T>::Preparation(const std::vector<GivenPoints>& clouds, MetricKind metric, const Execution& on) {
  const std::int64_t cols = clouds.front().cols;
  const bool products = device::is_product(metric);
  // Chains end with a slice of the tile kernel.
  const std::int64_t chain = chain_length(sizeof(T) == sizeof(float), products, cols, 16);
  rules_ = {metric, cols, pitch_of(cols), pieces(cols, 64), chain, recompute_share<T>, least_square<T>(cols)};
  if (!products) return;
  facts_ = device::with_product(metric, [](auto kind) { return device::facts_of<decltype(kind)>(); });
  std::int64_t count = 0;
  for (const GivenPoints& points : clouds) count += std::min(points.rows, center_rows);
  DeviceBuffer<T> sample(count * cols);
  std::int64_t at = 0;
  for (const GivenPoints& points : clouds) {
    const std::int64_t rows = std::min(points.rows, center_rows);
    const bool scattered = rows < points.rows;
    if (points.on_device) {
      take(on, points.data, points.item, points.row_stride, points.rows, cols, sample.data() + at * cols, rows, scattered, nullptr);
    } else {
      const DeviceBuffer<char> raw = raw_rows(on, points, rows, scattered);
      const DeviceBuffer<float> offset = offset_of(points, on);
      take(on, raw.data(), points.item, cols, rows, cols, sample.data() + at * cols, rows, false, offset.data());
      synchronize(on);
    }
    at += rows;
  }
  DeviceBuffer<double> scale, shift, spread(cols);
  if (facts_.unit_rows) {
    scale = DeviceBuffer<double>(count);
    shift = DeviceBuffer<double>(count);
    launch(on, count, MeasureRows<T>{sample.data(), cols, cols, facts_.centered_rows, scale.data(), shift.data()});
  }
  center_ = DeviceBuffer<double>(cols);
  launch(on, pieces(cols, Center<T>::threads),
         Center<T>{sample.data(), count, cols, scale.data(), shift.data(), center_.data(), spread.data()});
  if (sizeof(T) == sizeof(double)) {
    synchronize(on);
    return;
  }
  // Where few coordinates carry most of the spread they are summed last, so that all the others meet small sums.
  const std::vector<double> spreads = to_host(on, spread.data(), cols);
  const double largest = *std::max_element(spreads.begin(), spreads.end());
  const double mean = std::accumulate(spreads.begin(), spreads.end(), 0.0) / static_cast<double>(cols);
  if (!(largest > uneven_spread * mean)) return;
  std::vector<std::int32_t> order(static_cast<std::size_t>(cols));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return spreads[static_cast<std::size_t>(a)] < spreads[static_cast<std::size_t>(b)];
  });
  const std::vector<double> centers = to_host(on, center_.data(), cols);
  std::vector<double> ordered(order.size());
  for (std::size_t k = 0; k < order.size(); ++k) ordered[k] = centers[static_cast<std::size_t>(order[k])];
  copy(on, center_.data(), ordered.data(), cols);
  order_ = to_device(on, order.data(), cols);
}

template std::int64_t prepared_row_bytes<float>(const GivenPoints&, MetricKind);
template std::int64_t prepared_row_bytes<double>(const GivenPoints&, MetricKind);
template class Preparation<float>;
template class Preparation<double>;

}  // namespace topo_interp::cuda
