// Bindings of the spanning tree and of farthest points on the device, of points and of a matrix.
#include <memory>
#include <utility>
#include <vector>

#include "cuda/bind_points.hpp"
#include "cuda/graphs.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace topo_interp;

namespace {

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Any = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// act(source) with the distances of a matrix.
template <class Act>
void with_matrix(const Matrix& condensed, std::int64_t n, const cuda::Execution& on, nb::object progress, Act&& act) {
  require_aligned(condensed);
  require(n >= 1 && n < std::int64_t{1} << 31 && static_cast<std::int64_t>(condensed.shape(0)) == n * (n - 1) / 2,
          "the condensed matrix of n points has n (n - 1) / 2 entries");
  const Condensed matrix{condensed.data(), static_cast<std::uint64_t>(n)};
  run_interruptible(std::move(progress), [&](Control& control) { act(*cuda::blocks_of_matrix(on, matrix, false), control); });
}

template <class T>
nb::tuple tree_of(SpanningTree<T>&& found, double rounding) {
  std::vector<std::int64_t> ends;
  std::vector<T> lengths;
  ends.reserve(2 * found.edges.size());
  lengths.reserve(found.edges.size());
  for (const Edge<T>& edge : found.edges) {
    ends.insert(ends.end(), {edge.i, edge.j});
    lengths.push_back(edge.length);
  }
  nb::dict work;
  work["rounds"] = found.work.rounds;
  const std::size_t count = found.edges.size();
  return nb::make_tuple(to_numpy(std::move(ends), {count, 2}), to_numpy(std::move(lengths)), work, rounding);
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
    run_interruptible(std::move(progress), [&](Control& control) {
      const auto source = cuda::blocks_of_points<T>(on, points, kind, cuda::tree_row_bytes * points.rows, memory);
      found = cuda::spanning_tree<T>(on, *source, {}, control);
      rounding = source->rounding();
    });
    return tree_of(std::move(found), rounding);
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
  return tree_of(std::move(found), 0);
}

// What is known of the landmarks to go on from.
struct Known {
  Rows indices;
  Any radii;
  Rows nearest;
  Any distances;
};
template <class T>
Landmarks<T> landmarks_of(const Known& known, std::int64_t k, std::int64_t start, std::int64_t n) {
  require(k >= 1 && k <= n && start >= 0 && start < n, "1 <= k <= n and 0 <= start < n are needed");
  Landmarks<T> out;
  const std::size_t count = known.indices.shape(0);
  if (count == 0) return out;
  const auto fits = [](const Any& values, std::size_t size) {
    return values.ndim() == 1 && values.shape(0) == size && values.dtype() == nb::dtype<T>();
  };
  require(fits(known.radii, count) && fits(known.distances, static_cast<std::size_t>(n)) &&
              static_cast<std::int64_t>(known.nearest.shape(0)) == n,
          "the landmarks to go on from belong to other points");
  require_aligned(known.indices, known.nearest);
  require(reinterpret_cast<std::uintptr_t>(known.radii.data()) % alignof(T) == 0 &&
              reinterpret_cast<std::uintptr_t>(known.distances.data()) % alignof(T) == 0,
          "an array does not start at a multiple of its item size");
  (void)checked_rows(known.indices, n);
  (void)checked_rows(known.nearest, static_cast<std::int64_t>(count));
  const T* const radii = static_cast<const T*>(known.radii.data());
  const T* const distances = static_cast<const T*>(known.distances.data());
  out.indices.assign(known.indices.data(), known.indices.data() + count);
  out.insertion_radii.assign(radii, radii + count);
  out.nearest.assign(known.nearest.data(), known.nearest.data() + n);
  out.distances.assign(distances, distances + n);
  return out;
}
template <class T>
nb::tuple tuple_of(Landmarks<T>&& found, double rounding) {
  return nb::make_tuple(to_numpy(std::move(found.indices)), to_numpy(std::move(found.insertion_radii)),
                        to_numpy(std::move(found.nearest)), to_numpy(std::move(found.distances)), rounding);
}

nb::tuple farthest(const cuda::AnyPoints& x, const std::string& metric, std::int64_t k, std::int64_t start, Rows indices, Any radii,
                   Rows nearest, Any distances, int device, std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const cuda::Execution on = cuda::execution(device, stream);
  const cuda::GivenPoints points = cuda::points_of(x, on);
  const MetricKind kind = metric_named(metric);
  return cuda::with_type_of(points, [&](auto sample) {
    using T = decltype(sample);
    Landmarks<T> found = landmarks_of<T>({indices, radii, nearest, distances}, k, start, points.rows);
    double rounding = 0;
    run_interruptible(std::move(progress), [&](Control& control) {
      const auto source = cuda::blocks_of_points<T>(on, points, kind, cuda::landmark_row_bytes * points.rows, memory);
      cuda::add_farthest_points<T>(on, *source, k, start, found, control);
      rounding = source->rounding();
    });
    return tuple_of(std::move(found), rounding);
  });
}

nb::tuple farthest_of_matrix(Matrix condensed, std::int64_t n, std::int64_t k, std::int64_t start, Rows indices, Any radii,
                             Rows nearest, Any distances, int device, std::uintptr_t stream, nb::object progress) {
  const cuda::Execution on = cuda::execution(device, stream);
  Landmarks<float> found = landmarks_of<float>({indices, radii, nearest, distances}, k, start, n);
  with_matrix(condensed, n, on, std::move(progress), [&](cuda::DistanceBlocks<float>& source, Control& control) {
    cuda::add_farthest_points<float>(on, source, k, start, found, control);
  });
  return tuple_of(std::move(found), 0);
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
