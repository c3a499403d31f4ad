#include "at_most.hpp"
#include "bind_graphs.hpp"
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
    run_on_device(on, std::move(progress), [&](Control& control) {
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
    PairsWithin<T> pairs;
    double rounding = 0;
    run_on_device(on, std::move(progress), [&](Control& control) {
      pairs.find([&] { return cuda::radius_graph<T>(rows, kind, at_most<T>(radius), most_pairs, memory, on, control, rounding); });
    });
    return pairs.answer(rounding);
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
    run_on_device(on, std::move(progress), [&](Control& control) {
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
  m.def("radius_graph_bytes_per_pair_float32", &found_bytes_per_pair<float>);
  m.def("radius_graph_bytes_per_pair_float64", &found_bytes_per_pair<double>);
}
