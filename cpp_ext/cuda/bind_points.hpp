// What the bindings of the device take: points as any DLPack array of two axes, metrics as text, budgets, numpy results.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
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

// Rows; or, of 16-bit ones of the host, a pair of them and the float32 vector that was subtracted before they were rounded.
struct AnyPoints {
  nb::ndarray<nb::ro, nb::ndim<2>> rows;
  nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu> offset;
};

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

inline GivenPoints points_of(const AnyPoints& given, const Execution& on) {
  using Code = nb::dlpack::dtype_code;
  const auto& x = given.rows;
  GivenPoints out;
  const nb::dlpack::dtype type = x.dtype();
  const auto code = static_cast<Code>(type.code);
  if ((code == Code::Bfloat || code == Code::UInt) && type.bits == 16) {
    out.item = Item::bfloat16;  // numpy has no such type, and hands in the bits as integers
  } else if (code == Code::Float && type.bits == 16) {
    out.item = Item::float16;
  } else if (code == Code::Float && type.bits == 32) {
    out.item = Item::float32;
  } else {
    require(code == Code::Float && type.bits == 64, "points are float16, bfloat16 (or its bits), float32 or float64");
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
  if (given.offset.is_valid()) {
    require(item_size(out.item) == 2 && !out.on_device && given.offset.shape(0) == x.shape(1),
            "an offset is for 16-bit rows of the host, one number for each coordinate");
    require_aligned(given.offset);
    out.offset = given.offset.data();
  }
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

template <>
struct nanobind::detail::type_caster<topo_interp::cuda::AnyPoints> {
  NB_TYPE_CASTER(topo_interp::cuda::AnyPoints, const_name("object"))
  bool from_python(handle source, std::uint8_t flags, cleanup_list* cleanup) noexcept {
    const auto load = [&](PyObject* from, auto& to) {
      make_caster<std::decay_t<decltype(to)>> caster;
      if (!caster.from_python(from, flags, cleanup)) return false;
      to = caster.value;
      return true;
    };
    if (!PyTuple_CheckExact(source.ptr())) return load(source.ptr(), value.rows);
    return PyTuple_GET_SIZE(source.ptr()) == 2 && load(PyTuple_GET_ITEM(source.ptr(), 0), value.rows) &&
           load(PyTuple_GET_ITEM(source.ptr(), 1), value.offset);
  }
};
