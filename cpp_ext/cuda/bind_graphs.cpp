// Bindings of the spanning tree and of farthest points on the device; the arguments are those of the CPU's functions.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bind_control.hpp"
#include "cuda/bind_source.hpp"
#include "cuda/graphs.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace topo_interp;

namespace {

using cuda::BoundSource;
template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void require(bool fits, const char* message) {
  if (!fits) throw std::invalid_argument(message);
}

template <class T>
nb::object numbers(std::vector<T>&& values, std::size_t columns = 0) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = owned->data();
  const std::size_t size = owned->size();
  const nb::capsule owner(owned.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  (void)owned.release();
  if (columns != 0) return nb::cast(nb::ndarray<nb::numpy, T>(data, {size / columns, columns}, owner));
  return nb::cast(nb::ndarray<nb::numpy, T>(data, {size}, owner));
}

BoundSource<float> matrix_source(nb::ndarray<const float, nb::ndim<1>, nb::c_contig> condensed, std::int64_t n, int device, std::uintptr_t stream) {
  require_aligned(condensed);
  require(n >= 1 && n < std::int64_t{1} << 31 && static_cast<std::int64_t>(condensed.shape(0)) == n * (n - 1) / 2,
          "the condensed matrix of n points has n (n - 1) / 2 entries");
  require(device >= 0 && device < cuda::device_count(), "no such device");
  const cuda::Execution on{device, reinterpret_cast<void*>(stream)};
  const bool on_device = condensed.device_type() == nb::device::cuda::value;
  std::shared_ptr<const cuda::DistanceBlocks<float>> distances;
  run_interruptible(nb::none(), [&](Control&) {
    distances = cuda::blocks_of_matrix(on, {condensed.data(), static_cast<std::uint64_t>(n)}, on_device);
  });
  return {on_device ? nb::cast(condensed) : nb::none(), distances, on};
}

template <class T>
nb::tuple tree(const BoundSource<T>& source, nb::object progress, std::int64_t block_rows, std::int64_t block_columns) {
  require(block_rows >= 1 && block_columns >= 1, "a block has a row and a column");
  SpanningTree<T> found;
  run_interruptible(std::move(progress), [&](Control& control) {
    found = cuda::spanning_tree(source.on, *source.distances, {block_rows, block_columns}, control);
  });
  std::vector<std::int64_t> ends;
  std::vector<T> lengths;
  for (const Edge<T>& edge : found.edges) {
    ends.insert(ends.end(), {edge.i, edge.j});
    lengths.push_back(edge.length);
  }
  nb::dict work;
  work["rounds"] = found.work.rounds;
  return nb::make_tuple(numbers(std::move(ends), 2), numbers(std::move(lengths)), work);
}

template <class T>
nb::tuple farthest(const BoundSource<T>& source, std::int64_t k, std::int64_t start, Vector<std::int64_t> indices,
                   Vector<T> radii, Vector<std::int64_t> nearest, Vector<T> distances, nb::object progress) {
  const std::int64_t n = source.distances->size(), known = static_cast<std::int64_t>(indices.shape(0));
  require(k >= 1 && k <= n && start >= 0 && start < n, "1 <= k <= n and 0 <= start < n are needed");
  Landmarks<T> landmarks;
  if (known > 0) {
    require_aligned(indices, radii, nearest, distances);
    bool fits = static_cast<std::int64_t>(radii.shape(0)) == known && static_cast<std::int64_t>(nearest.shape(0)) == n &&
                static_cast<std::int64_t>(distances.shape(0)) == n;
    for (std::int64_t place = 0; fits && place < known; ++place) fits = indices.data()[place] >= 0 && indices.data()[place] < n;
    for (std::int64_t row = 0; fits && row < n; ++row) fits = nearest.data()[row] >= 0 && nearest.data()[row] < known;
    require(fits, "the landmarks to go on from belong to other points");
    landmarks.indices.assign(indices.data(), indices.data() + known);
    landmarks.insertion_radii.assign(radii.data(), radii.data() + known);
    landmarks.nearest.assign(nearest.data(), nearest.data() + n);
    landmarks.distances.assign(distances.data(), distances.data() + n);
  }
  run_interruptible(std::move(progress), [&](Control& control) {
    cuda::add_farthest_points(source.on, *source.distances, k, start, landmarks, control);
  });
  return nb::make_tuple(numbers(std::move(landmarks.indices)), numbers(std::move(landmarks.insertion_radii)),
                        numbers(std::move(landmarks.nearest)), numbers(std::move(landmarks.distances)));
}

template <class T>
void bind_for(nb::module_& m, const char* name) {
  nb::class_<BoundSource<T>>(m, name, "Distances on the device, block by block.").def("rounding", [](const BoundSource<T>& source) {
    return source.distances->rounding();
  });
  m.def("spanning_tree", &tree<T>, "source"_a, "progress"_a.none() = nb::none(), "block_rows"_a = cuda::BlockShape{}.rows,
        "block_columns"_a = cuda::BlockShape{}.columns, "Edges and lengths of the minimum spanning tree, and what it took.");
  m.def("farthest_points", &farthest<T>, "source"_a, "k"_a, "start"_a, "indices"_a.noconvert(), "radii"_a.noconvert(),
        "nearest"_a.noconvert(), "distances"_a.noconvert(), "progress"_a.none() = nb::none());
}

}  // namespace

void bind_device_graphs(nb::module_& m) {
  bind_for<float>(m, "DistanceSource32");
  bind_for<double>(m, "DistanceSource64");
  m.def("matrix_source", &matrix_source, "condensed"_a.noconvert(), "n"_a, "device"_a = 0, "stream"_a = 0);
}
