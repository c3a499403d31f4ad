#include <nanobind/stl/optional.h>

#include <optional>

#include "cuda/bind_points.hpp"
#include "cuda/pairwise.hpp"

using namespace topo_interp;
using namespace topo_interp::cuda;
using namespace nb::literals;

namespace {

void pairwise_on_device(AnyPoints x, std::optional<AnyPoints> y, nb::ndarray<nb::ndim<2>, nb::c_contig> out, const std::string& metric,
                        int device, std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on), others = y ? points_of(*y, on) : GivenPoints{};
  require(!y || rows.cols == others.cols, "x and y differ in width");
  require(!y || (rows.item == Item::float64) == (others.item == Item::float64), "x and y differ in precision");
  require(static_cast<std::int64_t>(out.shape(0)) == rows.rows &&
              static_cast<std::int64_t>(out.shape(1)) == (y ? others.rows : rows.rows),
          "out has another shape");
  const MetricKind kind = metric_named(metric);
  const bool there = is_on_device(out, on);
  with_type_of(rows, [&](auto sample) {
    using T = decltype(sample);
    require(out.dtype() == nb::dtype<T>(), "out has another type");
    run_on_device(on, std::move(progress), [&](Control& control) {
      pairwise<T>(rows, y ? &others : nullptr, kind, static_cast<T*>(out.data()), there, memory, on, control);
    });
  });
}

double condensed_on_device(AnyPoints x, nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu> out, const std::string& metric,
                           int device, std::uintptr_t stream, std::int64_t memory, nb::object progress) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on);
  require(static_cast<std::int64_t>(out.shape(0)) == rows.rows * (rows.rows - 1) / 2, "out has another shape");
  require_aligned(out);
  const MetricKind kind = metric_named(metric);
  double rounding = 0;
  with_type_of(rows, [&](auto sample) {
    run_on_device(on, std::move(progress), [&](Control& control) {
      rounding = condensed<decltype(sample)>(rows, kind, out.data(), memory, on, control);
    });
  });
  return rounding;
}

nb::tuple checked(AnyPoints x, int device, std::uintptr_t stream) {
  const Execution on = execution(device, stream);
  const GivenPoints rows = points_of(x, on);
  require(rows.on_device, "only points on the device are checked there");
  RowChecks found;
  run_on_device(on, nb::none(), [&](Control&) { found = check_rows(rows, on); });
  return nb::make_tuple(to_numpy(std::move(found.flags)), found.largest);
}

nb::tuple planned(std::int64_t rows, std::int64_t row_bytes, std::int64_t entry_bytes, std::int64_t tiles, std::int64_t fixed,
                  std::int64_t budget, std::int64_t others, std::int64_t other_bytes) {
  const MemoryPlan plan = plan_memory({rows, row_bytes, entry_bytes, tiles, fixed, others, other_bytes}, budget);
  return nb::make_tuple(plan.side, plan.streamed, plan.others_streamed, plan.bytes);
}

}  // namespace

void bind_device_distances(nb::module_& m) {
  m.def("pairwise", &pairwise_on_device, "x"_a.noconvert(), "y"_a.noconvert().none(), "out"_a.noconvert(), "metric"_a, "device"_a = 0,
        "stream"_a = 0, "memory"_a = 0, "progress"_a.none() = nb::none(),
        "Distances of the rows of x with those of y (with themselves when None) into out, which is on the host or the device.");
  m.def("condensed", &condensed_on_device, "x"_a.noconvert(), "out"_a.noconvert(), "metric"_a, "device"_a = 0, "stream"_a = 0,
        "memory"_a = 0, "progress"_a.none() = nb::none(),
        "The upper triangle in scipy's condensed order; returns a bound on the rounding of its entries.");
  m.def("check_rows", &checked, "x"_a.noconvert(), "device"_a = 0, "stream"_a = 0,
        "Of each row 1 for an entry that is not finite, 2 for one that is not zero, 4 for one that differs from the first; and the "
        "largest absolute value.");
  m.def("plan_memory", &planned, "rows"_a, "row_bytes"_a, "entry_bytes"_a, "tiles"_a, "fixed"_a, "budget"_a,
        "others"_a = 0, "other_bytes"_a = 0, "Rows to a block, whether the cloud is streamed, whether a second one is, bytes.");
}
