// What the bindings of the device take: points as any DLPack array of two axes, metrics as text, budgets, numpy results.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bind_arrays.hpp"
#include "bind_control.hpp"
#include "bind_names.hpp"
#include "cuda/cloud.hpp"
#include "cuda/device.hpp"
#ifdef TOPO_INTERP_EMULATED
#include "cuda/machine_host.hpp"
#endif

namespace topo_interp::cuda {

namespace nb = nanobind;
using AnyPoints = nb::ndarray<nb::ro, nb::ndim<2>>;

template <class Array>
bool is_on_device(const Array& array, const Execution& on) {
#ifdef TOPO_INTERP_EMULATED
  (void)on;
  require(array.device_type() == nb::device::cpu::value, "the emulated device takes arrays of the host");
  return emulated::arrays_are_here;
#else
  const int type = array.device_type();
  if (type == nb::device::cpu::value || type == nb::device::cuda_host::value) return false;
  require(type == nb::device::cuda::value || type == nb::device::cuda_managed::value, "an array is on a device of another kind");
  require(array.device_id() == on.device, "an array is on another device than the one that computes");
  return true;
#endif
}

inline GivenPoints points_of(const AnyPoints& x, const Execution& on) {
  using Code = nb::dlpack::dtype_code;
  GivenPoints out;
  const nb::dlpack::dtype type = x.dtype();
  const auto code = static_cast<Code>(type.code);
  if (code == Code::Bfloat && type.bits == 16) {
    out.item = Item::bfloat16;
  } else if (code == Code::Float && type.bits == 16) {
    out.item = Item::float16;
  } else if (code == Code::Float && type.bits == 32) {
    out.item = Item::float32;
  } else {
    require(code == Code::Float && type.bits == 64, "points are float16, bfloat16, float32 or float64");
    out.item = Item::float64;
  }
  require(x.shape(0) >= 1 && x.shape(1) >= 1, "at least one row and one coordinate are needed");
  require(x.shape(0) < (std::size_t{1} << 31), "at most 2^31 - 1 rows");
  require(x.stride(1) == 1 || x.shape(1) == 1, "the entries of a row have to lie side by side");
  require(reinterpret_cast<std::uintptr_t>(x.data()) % static_cast<std::uintptr_t>(item_size(out.item)) == 0,
          "an array does not start at a multiple of its item size");
  out.data = x.data();
  out.rows = static_cast<std::int64_t>(x.shape(0));
  out.cols = static_cast<std::int64_t>(x.shape(1));
  out.row_stride = out.rows == 1 ? out.cols : x.stride(0);
  require(out.row_stride >= out.cols, "rows overlap");
  out.on_device = is_on_device(x, on);
  return out;
}

inline Execution execution(int device, std::uintptr_t stream) {
  require(device >= 0 && device < device_count(), "no such device");
  return {device, reinterpret_cast<void*>(stream)};
}

// As run_interruptible, on a thread whose current device is the one that computes.
template <class Kernel>
void run_on_device(const Execution& on, nb::object progress, Kernel&& kernel) {
  run_interruptible(std::move(progress), [&](Control& control) {
    use_device(on.device);
    kernel(control);
  });
}

// act(float{}) or act(double{}): what the distances of these points are computed and stored as.
template <class Act>
auto with_type_of(const GivenPoints& points, Act&& act) {
  return points.item == Item::float64 ? act(double{}) : act(float{});
}

}  // namespace topo_interp::cuda
