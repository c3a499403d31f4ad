#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bind_arrays.hpp"
#include "bind_names.hpp"
#include "cpu/all_pairs.hpp"
#include "cpu/median.hpp"

namespace nb = nanobind;
using namespace topo_interp;

namespace topo_interp {

// "" is the best that there is; a set that was asked for and is missing is an error, never another set.
Isa isa_named(const std::string& name) {
  if (name.empty()) return best_isa();
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (name == isa_name(isa)) {
      if (!has_isa(isa)) throw std::invalid_argument("this machine or this build has no " + name);
      return isa;
    }
  throw std::invalid_argument("no instruction set is called '" + name + "'; known: scalar, avx2, avx512");
}

}  // namespace topo_interp

namespace {

template <class T>
using Points = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Square = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Condensed = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
MatrixView<T> view(const Points<T>& points) {
  require_aligned(points);
  const auto cols = static_cast<std::int64_t>(points.shape(1));
  require(points.shape(0) > 0 && cols > 0, "at least one row and one coordinate are needed");
  return {points.data(), static_cast<std::int64_t>(points.shape(0)), cols, cols};
}

template <class T>
MatrixView<T> view(const std::optional<Points<T>>& points) {
  return points ? view(*points) : MatrixView<T>{nullptr, 0, 0, 0};
}

template <class T>
void pairwise(Points<T> x, std::optional<Points<T>> y, Square<T> out, const std::string& metric, int threads,
              const std::string& isa, nb::object progress) {
  threads = thread_count(threads);
  const MatrixView<T> rows = view(x), others = view(y);
  require(!y || rows.cols == others.cols, "x and y differ in width");
  require(static_cast<std::int64_t>(out.shape(0)) == rows.rows &&
              static_cast<std::int64_t>(out.shape(1)) == (y ? others.rows : rows.rows),
          "out has another shape");
  const MetricKind kind = metric_named(metric);
  const Isa set = isa_named(isa);
  require_aligned(out);
  T* to = out.data();
  run_interruptible(std::move(progress), [&](Control& control) {
    const PairwiseDistances<T> distances(rows, others, kind, set, threads, control);
    if (!control.stopped()) all_distances(distances, to, threads, control);
  });
}

template <class T>
double condensed(Points<T> x, Condensed out, const std::string& metric, int threads, const std::string& isa, nb::object progress) {
  threads = thread_count(threads);
  const MatrixView<T> rows = view(x);
  require(static_cast<std::int64_t>(out.shape(0)) == rows.rows * (rows.rows - 1) / 2, "out has another shape");
  const MetricKind kind = metric_named(metric);
  const Isa set = isa_named(isa);
  require_aligned(out);
  float* to = out.data();
  double rounding = 0;
  run_interruptible(std::move(progress), [&](Control& control) {
    const PairwiseDistances<T> distances(rows, {nullptr, 0, 0, 0}, kind, set, threads, control);
    if (!control.stopped()) rounding = condensed_distances(distances, to, threads, control);
  });
  return rounding;
}

template <class T>
std::int64_t one_tile(Points<T> x, std::optional<Points<T>> y, std::int64_t i0, std::int64_t j0, Square<T> out,
                      const std::string& metric, const std::string& isa) {
  const MatrixView<T> rows = view(x), others = view(y);
  const auto down = static_cast<std::int64_t>(out.shape(0)), across = static_cast<std::int64_t>(out.shape(1));
  require(!y || rows.cols == others.cols, "x and y differ in width");
  require(i0 >= 0 && j0 >= 0 && i0 <= rows.rows - down && j0 <= (y ? others.rows : rows.rows) - across, "the tile leaves the matrix");
  const std::int64_t i1 = i0 + down, j1 = j0 + across;
  const MetricKind kind = metric_named(metric);
  const Isa set = isa_named(isa);
  require_aligned(out);
  T* to = out.data();
  TileStats stats;
  run_interruptible(nb::none(), [&](Control& control) {
    const PairwiseDistances<T> distances(rows, others, kind, set, 1, control);
    AlignedBuffer<double> scratch(static_cast<std::size_t>(PairwiseDistances<T>::scratch_size));
    distances.tile(i0, i1, j0, j1, false, scratch.data(), to, j1 - j0, stats, control);
  });
  return stats.recomputed;
}

template <class T>
std::pair<std::int64_t, double> scan(Points<T> x, int threads) {
  threads = thread_count(threads);
  const MatrixView<T> rows = view(x);
  double largest = 0;
  std::int64_t row = -1;
  run_interruptible(nb::none(), [&](Control& control) { row = first_bad_row(rows, threads, control, largest); });
  return {row, largest};
}

float median(nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu> values, int threads) {
  threads = thread_count(threads);
  require_aligned(values);
  require(values.shape(0) > 0, "at least one number is needed");
  float out = 0;
  run_interruptible(nb::none(), [&](Control& control) {
    out = median_of(values.data(), static_cast<std::int64_t>(values.shape(0)), threads, control);
  });
  return out;
}

// bfloat16 is the upper half of a float32.
void widen_bfloat16(nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu> from, Square<float> to) {
  const nb::dlpack::dtype type = from.dtype();
  require(type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat) && type.bits == 16, "not bfloat16");
  require(from.shape(0) == to.shape(0) && from.shape(1) == to.shape(1), "out has another shape");
  require_aligned(to);
  require(reinterpret_cast<std::uintptr_t>(from.data()) % alignof(std::uint16_t) == 0, "an array does not start at a multiple of its item size");
  const auto* source = static_cast<const std::uint16_t*>(from.data());
  auto* target = reinterpret_cast<std::uint32_t*>(to.data());
  const auto rows = static_cast<std::int64_t>(from.shape(0)), cols = static_cast<std::int64_t>(from.shape(1));
  const std::int64_t down = from.stride(0), across = from.stride(1);
  nb::gil_scoped_release release;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t k = 0; k < cols; ++k)
      target[i * cols + k] = static_cast<std::uint32_t>(source[i * down + k * across]) << 16;
}

template <class T>
void bind_for(nb::module_& m) {
  m.def("pairwise", &pairwise<T>, nb::arg("x").noconvert(), nb::arg("y").noconvert().none(), nb::arg("out").noconvert(),
        nb::arg("metric"), nb::arg("threads"), nb::arg("isa") = "", nb::arg("progress").none() = nb::none(),
        "Distances of the rows of x with those of y (with themselves when None) into out.");
  m.def("condensed", &condensed<T>, nb::arg("x").noconvert(), nb::arg("out").noconvert(), nb::arg("metric"), nb::arg("threads"),
        nb::arg("isa") = "", nb::arg("progress").none() = nb::none(),
        "The upper triangle of the distances in scipy's condensed order; returns a bound on the rounding of its entries.");
  m.def("distance_tile", &one_tile<T>, nb::arg("x").noconvert(), nb::arg("y").noconvert().none(), nb::arg("i0"), nb::arg("j0"),
        nb::arg("out").noconvert(), nb::arg("metric"), nb::arg("isa") = "",
        "One tile of the distances, from row i0 and column j0 on, of the shape of out; returns how many pairs were recomputed.");
  m.def("scan", &scan<T>, nb::arg("x").noconvert(), nb::arg("threads"),
        "(first row with a NaN or an infinity or -1, largest absolute value).");
}

}  // namespace

void bind_distances(nb::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
  m.def("median", &median, nb::arg("values").noconvert(), nb::arg("threads"), "The median of numbers >= 0.");
  m.def("widen_bfloat16", &widen_bfloat16, nb::arg("x").noconvert(), nb::arg("out").noconvert(), "bfloat16 of any stride, exactly, to float32.");
  m.def(
      "instruction_sets",
      [] {
        std::vector<std::string> names;
        for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
          if (has_isa(isa)) names.emplace_back(isa_name(isa));
        return names;
      },
      "The instruction sets of this build that this machine runs, best last.");
}
