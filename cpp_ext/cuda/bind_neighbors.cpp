#include <cmath>

#include "cuda/bind_points.hpp"
#include "cuda/neighbors.hpp"

using namespace topo_interp;
using namespace topo_interp::cuda;
using namespace nb::literals;

namespace {

nb::tuple knn(AnyPoints x, const std::string& metric, std::int64_t k, int device, std::uintptr_t stream, std::int64_t memory,
              nb::object progress) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on);
  require(k >= 1 && k < rows.rows, "1 <= k < n is needed");
  const MetricKind kind = metric_named(metric);
  return with_type_of(rows, [&](auto sample) {
    NearestRows<decltype(sample)> found;
    run_interruptible(std::move(progress), [&](Control& control) {
      found = cuda::nearest_neighbors<decltype(sample)>(rows, kind, k, memory, on, control);
    });
    const std::vector<std::size_t> shape{static_cast<std::size_t>(rows.rows), static_cast<std::size_t>(k)};
    return nb::make_tuple(to_numpy(std::move(found.indices), shape), to_numpy(std::move(found.distances), shape));
  });
}

nb::tuple within_radius(AnyPoints x, const std::string& metric, double radius, std::int64_t most_pairs, int device,
                        std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on);
  require(radius >= 0 && most_pairs >= 0, "radius >= 0 and most_pairs >= 0 are needed");
  const MetricKind kind = metric_named(metric);
  return with_type_of(rows, [&](auto sample) {
    using T = decltype(sample);
    T limit = static_cast<T>(radius);
    // The largest number of this type that is not above the radius: rounding must let no pair in.
    if (static_cast<double>(limit) > radius) limit = std::nextafter(limit, T(-1));
    RadiusGraph<T> graph;
    std::int64_t found = -1;
    double part = 0, rounding = 0;
    run_interruptible(std::move(progress), [&](Control& control) {
      try {
        graph = cuda::radius_graph<T>(rows, kind, limit, most_pairs, memory, on, control, rounding);
      } catch (const OverBudget& over) {
        found = over.pairs;
        part = over.part;
      }
    });
    if (found >= 0) return nb::make_tuple(found, part);
    return nb::make_tuple(to_numpy(std::move(graph.indptr)), to_numpy(std::move(graph.indices)), to_numpy(std::move(graph.distances)),
                          rounding);
  });
}

nb::tuple distortion(AnyPoints x, const std::string& metric, Rows landmarks, Rows nearest, double up_to, int device,
                     std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on);
  require(landmarks.shape(0) >= 1 && static_cast<std::int64_t>(nearest.shape(0)) == rows.rows,
          "landmarks and the nearest one of every row are needed");
  const std::vector<std::int32_t> chosen = checked_rows(landmarks, rows.rows);
  const std::vector<std::int32_t> places = checked_rows(nearest, static_cast<std::int64_t>(chosen.size()));
  const MetricKind kind = metric_named(metric);
  double largest = 0, rounding = 0;
  with_type_of(rows, [&](auto sample) {
    run_interruptible(std::move(progress), [&](Control& control) {
      largest = cuda::largest_distortion<decltype(sample)>(rows, kind, chosen, places, up_to, memory, on, control, rounding);
    });
  });
  return nb::make_tuple(largest, rounding);
}

}  // namespace

void bind_device_neighbors(nb::module_& m) {
  m.def("knn", &knn, "x"_a.noconvert(), "metric"_a, "k"_a, "device"_a = 0, "stream"_a = 0, "memory"_a = 0,
        "progress"_a.none() = nb::none(), "Indices and distances of the k nearest neighbors of every row.");
  m.def("within_radius", &within_radius, "x"_a.noconvert(), "metric"_a, "radius"_a, "most_pairs"_a, "device"_a = 0, "stream"_a = 0,
        "memory"_a = 0, "progress"_a.none() = nb::none(),
        "indptr, indices, distances and rounding of the radius graph; or, over most_pairs, the pairs found so far and in which part.");
  m.def("largest_distortion", &distortion, "x"_a.noconvert(), "metric"_a, "landmarks"_a.noconvert(), "nearest"_a.noconvert(), "up_to"_a,
        "device"_a = 0, "stream"_a = 0, "memory"_a = 0, "progress"_a.none() = nb::none(),
        "The largest distortion of distances by the landmarks, and a bound on the rounding of all distances.");
}
