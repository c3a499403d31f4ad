// Bindings of the spanning tree and of farthest points on the device, of points and of a matrix.
#include <utility>

#include "bind_graphs.hpp"
#include "cuda/bind_points.hpp"
#include "cuda/graphs.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace topo_interp;

namespace {

using Matrix = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// act(source) with the distances of a matrix.
template <class Act>
void with_matrix(const Matrix& condensed, std::int64_t n, const cuda::Execution& on, nb::object progress, Act&& act) {
  require_aligned(condensed);
  require(n >= 1 && n < std::int64_t{1} << 31 && static_cast<std::int64_t>(condensed.shape(0)) == n * (n - 1) / 2,
          "the condensed matrix of n points has n (n - 1) / 2 entries");
  const Condensed matrix{condensed.data(), static_cast<std::uint64_t>(n)};
  cuda::run_on_device(on, std::move(progress),
                      [&](Control& control) { act(*cuda::blocks_of_matrix(on, matrix, control), control); });
}

nb::tuple tree(const cuda::AnyPoints& x, const std::string& metric, int device, std::uintptr_t stream, std::int64_t memory,
               nb::object progress) {
  const cuda::Execution on = cuda::execution(device, stream);
  const cuda::GivenPoints points = cuda::points_of(x, on);
  const MetricKind kind = metric_named(metric);
  return cuda::with_type_of(points, [&](auto sample) {
    using T = decltype(sample);
    SpanningTree<T> found;
    double rounding = 0;
    cuda::run_on_device(on, std::move(progress), [&](Control& control) {
      const auto source = cuda::blocks_of_points<T>(on, points, kind, cuda::tree_blocks, cuda::tree_row_bytes * points.rows, memory,
                                                    control);
      found = cuda::spanning_tree<T>(on, *source, {}, control);
      rounding = source->rounding();
    });
    return tree_tuple(std::move(found), rounding);
  });
}

nb::tuple tree_of_matrix(Matrix condensed, std::int64_t n, int device, std::uintptr_t stream, std::int64_t block_rows,
                         std::int64_t block_columns, nb::object progress) {
  require(block_rows >= 1 && block_columns >= 1, "a block has a row and a column");
  const cuda::Execution on = cuda::execution(device, stream);
  SpanningTree<float> found;
  with_matrix(condensed, n, on, std::move(progress), [&](cuda::DistanceBlocks<float>& source, Control& control) {
    found = cuda::spanning_tree<float>(on, source, {block_rows, block_columns}, control);
  });
  return tree_tuple(std::move(found), 0.0);
}

nb::tuple farthest(const cuda::AnyPoints& x, const std::string& metric, std::int64_t k, std::int64_t start, Rows indices,
                   Numbers radii, Rows nearest, Numbers distances, int device, std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const cuda::Execution on = cuda::execution(device, stream);
  const cuda::GivenPoints points = cuda::points_of(x, on);
  const MetricKind kind = metric_named(metric);
  return cuda::with_type_of(points, [&](auto sample) {
    using T = decltype(sample);
    Landmarks<T> found = KnownLandmarks{indices, radii, nearest, distances}.checked<T>(k, start, points.rows);
    double rounding = 0;
    cuda::run_on_device(on, std::move(progress), [&](Control& control) {
      const auto source = cuda::blocks_of_points<T>(on, points, kind, cuda::landmark_blocks,
                                                    cuda::landmark_row_bytes * points.rows, memory, control);
      cuda::add_farthest_points<T>(on, *source, k, start, found, control);
      rounding = source->rounding();
    });
    return landmarks_tuple(std::move(found), rounding);
  });
}

nb::tuple farthest_of_matrix(Matrix condensed, std::int64_t n, std::int64_t k, std::int64_t start, Rows indices, Numbers radii,
                             Rows nearest, Numbers distances, int device, std::uintptr_t stream, nb::object progress) {
  const cuda::Execution on = cuda::execution(device, stream);
  Landmarks<float> found = KnownLandmarks{indices, radii, nearest, distances}.checked<float>(k, start, n);
  with_matrix(condensed, n, on, std::move(progress), [&](cuda::DistanceBlocks<float>& source, Control& control) {
    cuda::add_farthest_points<float>(on, source, k, start, found, control);
  });
  return landmarks_tuple(std::move(found), 0.0);
}

}  // namespace

void bind_device_graphs(nb::module_& m) {
  m.def("spanning_tree", &tree, "x"_a.noconvert(), "metric"_a, "device"_a = 0, "stream"_a = 0, "memory"_a = 0,
        "progress"_a.none() = nb::none(),
        "Edges and lengths of the minimum spanning tree, what it took, and a bound on the rounding of the distances.");
  m.def("spanning_tree_of_matrix", &tree_of_matrix, "condensed"_a.noconvert(), "n"_a, "device"_a = 0, "stream"_a = 0,
        "block_rows"_a = cuda::BlockShape{}.rows, "block_columns"_a = cuda::BlockShape{}.columns, "progress"_a.none() = nb::none());
  m.def("farthest_points", &farthest, "x"_a.noconvert(), "metric"_a, "k"_a, "start"_a, "indices"_a.noconvert(), "radii"_a.noconvert(),
        "nearest"_a.noconvert(), "distances"_a.noconvert(), "device"_a = 0, "stream"_a = 0, "memory"_a = 0,
        "progress"_a.none() = nb::none(), "Landmarks, and a bound on the rounding of the distances.");
  m.def("farthest_points_of_matrix", &farthest_of_matrix, "condensed"_a.noconvert(), "n"_a, "k"_a, "start"_a, "indices"_a.noconvert(),
        "radii"_a.noconvert(), "nearest"_a.noconvert(), "distances"_a.noconvert(), "device"_a = 0, "stream"_a = 0,
        "progress"_a.none() = nb::none());
}
