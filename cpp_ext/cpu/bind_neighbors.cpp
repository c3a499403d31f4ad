// Bindings of what reads distances tile by tile: neighbors, radius graphs, the spanning tree, landmarks.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "at_most.hpp"
#include "bind_arrays.hpp"
#include "bind_control.hpp"
#include "bind_graphs.hpp"
#include "bind_names.hpp"
#include "cpu/landmarks.hpp"
#include "cpu/neighbors.hpp"
#include "cpu/point_source.hpp"
#include "cpu/spanning_tree.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace topo_interp;

namespace {

template <class T>
using Points = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::int64_t most_rows = 2147483647;

// A source together with the array that it reads.
template <class T>
struct Source {
  nb::object owner;
  std::unique_ptr<DistanceSource<T>> distances;
  const PointSource<T>* points = nullptr;  // null for a matrix
};

template <class T>
Source<T> point_source(Points<T> x, const std::string& metric, const std::string& isa, int threads, bool rounding) {
  require_aligned(x);
  threads = thread_count(threads);
  require(static_cast<std::int64_t>(x.shape(0)) >= 1 && static_cast<std::int64_t>(x.shape(0)) <= most_rows, "1 to 2^31 - 1 rows are needed");
  require(x.shape(1) >= 1, "at least one coordinate is needed");
  const auto cols = static_cast<std::int64_t>(x.shape(1));
  const MatrixView<T> rows{x.data(), static_cast<std::int64_t>(x.shape(0)), cols, cols};
  const MetricKind kind = metric_named(metric);
  const Isa set = isa_named(isa);
  std::unique_ptr<PointSource<T>> source;
  run_interruptible(nb::none(), [&](Control& control) {
    source = std::make_unique<PointSource<T>>(rows, kind, set, threads, rounding, control);
  });
  const PointSource<T>* points = source.get();
  return {nb::cast(x), std::move(source), points};
}

Source<float> matrix_source(Vector<float> condensed, std::int64_t n) {
  require_aligned(condensed);
  require(n >= 1 && n <= most_rows && static_cast<std::int64_t>(condensed.shape(0)) == n * (n - 1) / 2,
          "the condensed matrix of n points has n (n - 1) / 2 entries");
  return {nb::cast(condensed), std::make_unique<CondensedSource>(condensed.data(), n), nullptr};
}

template <class T>
nb::tuple knn(const Source<T>& source, std::int64_t k, int threads, nb::object progress) {
  threads = thread_count(threads);
  const std::int64_t n = source.distances->size();
  require(k >= 1 && k < n, "1 <= k < n is needed");
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n * k));
  std::vector<T> lengths(static_cast<std::size_t>(n * k));
  run_interruptible(std::move(progress), [&](Control& control) {
    const NeighborLists<T> lists = nearest_neighbors(*source.distances, k, threads, control);
    for (std::int64_t i = 0; i < n; ++i) {
      const Neighbor<T>* row = lists.row(i);
      for (std::int64_t place = 0; place < k; ++place) {
        indices[static_cast<std::size_t>(i * k + place)] = row[place].index;
        lengths[static_cast<std::size_t>(i * k + place)] = row[place].distance;
      }
    }
  });
  const std::vector<std::size_t> shape{static_cast<std::size_t>(n), static_cast<std::size_t>(k)};
  return nb::make_tuple(to_numpy(std::move(indices), shape), to_numpy(std::move(lengths), shape));
}

template <class T>
nb::tuple within_radius(const Source<T>& source, double radius, std::int64_t most_pairs, int threads, nb::object progress) {
  threads = thread_count(threads);
  require(radius >= 0 && most_pairs >= 0, "radius >= 0 and most_pairs >= 0 are needed");
  PairsWithin<T> pairs;
  run_interruptible(std::move(progress), [&](Control& control) {
    pairs.find([&] { return radius_graph(*source.distances, at_most<T>(radius), most_pairs, threads, control); });
  });
  return pairs.answer();
}

template <class T>
nb::tuple tree(const Source<T>& source, std::int64_t neighbors, std::int64_t table, double refresh_share, int threads, nb::object progress) {
  threads = thread_count(threads);
  require(neighbors >= 1 && table >= 0 && refresh_share >= 0, "neighbors >= 1, table >= 0 and refresh_share >= 0 are needed");
  SpanningTreeOptions options;
  options.neighbors = neighbors;
  options.table = table;
  options.refresh_share = refresh_share;
  options.threads = threads;
  SpanningTree<T> found;
  run_interruptible(std::move(progress), [&](Control& control) { found = spanning_tree(*source.distances, options, control); });
  return tree_tuple(std::move(found));
}

template <class T>
nb::ndarray<nb::numpy, T> lower_bounds(const Source<T>& source, Rows group, std::int64_t groups, int threads) {
  threads = thread_count(threads);
  const std::int64_t n = source.distances->size();
  require(static_cast<std::int64_t>(group.shape(0)) == n, "the group of every row is needed");
  require(groups >= 1 && groups <= n, "there are no more groups than rows");
  const std::vector<std::int32_t> places = checked_rows(group, groups);
  std::vector<T> found;
  run_interruptible(nb::none(), [&](Control& control) { found = source.distances->lower_bounds(places, groups, threads, control); });
  const auto side = static_cast<std::size_t>(groups);
  return to_numpy(std::move(found), {side, side});
}

template <class T>
nb::tuple farthest(const Source<T>& source, std::int64_t k, std::int64_t start, Rows indices, Numbers radii, Rows nearest,
                   Numbers distances, int threads, nb::object progress) {
  threads = thread_count(threads);
  Landmarks<T> landmarks = KnownLandmarks{indices, radii, nearest, distances}.checked<T>(k, start, source.distances->size());
  run_interruptible(std::move(progress),
                    [&](Control& control) { add_farthest_points(*source.distances, k, start, landmarks, threads, control); });
  return landmarks_tuple(std::move(landmarks));
}

template <class T>
double distortion(const Source<T>& source, Rows landmarks, Rows nearest, double up_to, int threads, nb::object progress) {
  threads = thread_count(threads);
  const std::int64_t n = source.distances->size();
  require(landmarks.shape(0) >= 1 && static_cast<std::int64_t>(nearest.shape(0)) == n,
          "landmarks and the nearest one of every row are needed");
  const std::vector<std::int32_t> chosen = checked_rows(landmarks, n);
  const std::vector<std::int32_t> places = checked_rows(nearest, static_cast<std::int64_t>(chosen.size()));
  double largest = 0;
  run_interruptible(std::move(progress), [&](Control& control) {
    largest = largest_distortion(*source.distances, chosen, places, up_to, threads, control);
  });
  return largest;
}

template <class T>
nb::tuple differences(const Source<T>& d, const Source<T>& e, int threads, nb::object progress) {
  threads = thread_count(threads);
  require(d.distances->size() == e.distances->size(), "both sources have the same points");
  Differences largest;
  run_interruptible(std::move(progress),
                    [&](Control& control) { largest = largest_differences(*d.distances, *e.distances, threads, control); });
  return nb::make_tuple(largest.above, largest.below);
}

template <class T>
void bind_for(nb::module_& m, const char* name) {
  nb::class_<Source<T>>(m, name, "Distances that are computed or read tile by tile.")
      .def_prop_ro("n", [](const Source<T>& source) { return source.distances->size(); })
      .def("rounding", [](const Source<T>& source) { return source.points ? source.points->rounding() : 0.0; },
           "A proved bound on the rounding of the distances that were handed out so far; 0 for a matrix.");
  m.def("point_source", &point_source<T>, "x"_a.noconvert(), "metric"_a, "isa"_a = "", "threads"_a = 1, "rounding"_a = false);
  m.def("knn", &knn<T>, "source"_a, "k"_a, "threads"_a, "progress"_a.none() = nb::none(),
        "Indices and distances of the k nearest neighbors of every row.");
  m.def("within_radius", &within_radius<T>, "source"_a, "radius"_a, "most_pairs"_a, "threads"_a, "progress"_a.none() = nb::none(),
        "indptr, indices and distances of the radius graph; or, over most_pairs, the pairs found so far and in which part.");
  m.def("spanning_tree", &tree<T>, "source"_a, "neighbors"_a, "table"_a = 0, "refresh_share"_a = 0.25, "threads"_a = 1,
        "progress"_a.none() = nb::none(), "Edges and lengths of the minimum spanning tree, and what it took.");
  m.def("lower_bounds", &lower_bounds<T>, "source"_a, "group"_a.noconvert(), "groups"_a, "threads"_a = 1,
        "What no distance between rows of two groups is below, for every two groups; 0 where nothing is known.");
  m.def("farthest_points", &farthest<T>, "source"_a, "k"_a, "start"_a, "indices"_a.noconvert(), "radii"_a.noconvert(),
        "nearest"_a.noconvert(), "distances"_a.noconvert(), "threads"_a, "progress"_a.none() = nb::none());
  m.def("largest_distortion", &distortion<T>, "source"_a, "landmarks"_a.noconvert(), "nearest"_a.noconvert(), "up_to"_a, "threads"_a,
        "progress"_a.none() = nb::none());
  m.def("largest_differences", &differences<T>, "d"_a, "e"_a, "threads"_a, "progress"_a.none() = nb::none(),
        "The largest D - E and the largest E - D over all pairs, each at least 0.");
  m.def(sizeof(T) == sizeof(float) ? "radius_graph_bytes_per_pair_float32" : "radius_graph_bytes_per_pair_float64",
        &radius_graph_bytes_per_pair<T>);
}

}  // namespace

void bind_neighbors(nb::module_& m) {
  bind_for<float>(m, "DistanceSource32");
  bind_for<double>(m, "DistanceSource64");
  m.def("matrix_source", &matrix_source, "condensed"_a.noconvert(), "n"_a);
}
