// The module `_cuda`, and compiled with TOPO_INTERP_EMULATED the module `_cuda_host`, which runs the same code on the host for
// tests. Each file of cuda/ registers its own functions. Check, release the GIL, call, wrap; nothing else lives here.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "cuda/bind_points.hpp"
#include "source_hash.hpp"

namespace nb = nanobind;
using namespace topo_interp;

void bind_device_distances(nb::module_& m);
void bind_device_neighbors(nb::module_& m);
void bind_device_graphs(nb::module_& m);
void bind_device_links(nb::module_& m);

namespace {

nb::dict build_info() {
  nb::dict info;
  info["architectures"] = cuda::architectures();
  info["source_hash"] = TOPO_INTERP_SOURCE_HASH;
#ifdef TOPO_INTERP_CUDA_COMPILER
  info["compiler"] = TOPO_INTERP_CUDA_COMPILER;
#endif
  return info;
}

nb::dict device_info(int device) {
  cuda::DeviceInfo found;
  cuda::run_on_device(cuda::execution(device, 0), nb::none(), [&](Control&) { found = cuda::device_info(device); });
  nb::dict info;
  info["name"] = found.name;
  info["capability"] = nb::make_tuple(found.major, found.minor);
  info["memory"] = found.memory;
  info["free"] = found.free;
  return info;
}

// A MemoryError whose arguments are the bytes that were asked for, and, of the device's memory, the bytes that are free.
void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const cuda::OutOfMemory& error) {
    PyErr_SetObject(PyExc_MemoryError, nb::make_tuple(error.asked, error.free).ptr());
  } catch (const cuda::HostOutOfMemory& error) {
    PyErr_SetObject(PyExc_MemoryError, nb::make_tuple(error.asked).ptr());
  }
}

}  // namespace

#ifdef TOPO_INTERP_EMULATED
NB_MODULE(_cuda_host, m) {
  m.doc() = "The device code of topo_interp run by the CPU, block after block: for tests of its logic, not for use.";
  m.def("set_memory", [](std::int64_t bytes) { cuda::emulated::limit = bytes; }, nb::arg("bytes"),
        "How much memory the emulated device has.");
  m.def("set_host_memory", [](std::int64_t pinned, std::int64_t pageable) {
    cuda::emulated::largest_pinned = pinned;
    cuda::emulated::largest_pageable = pageable;
  }, nb::arg("pinned") = cuda::emulated::any_size, nb::arg("pageable") = cuda::emulated::any_size,
        "The largest pieces of the host's memory that can be pinned, and had at all.");
  m.def("treat_arrays_as_on_device", [](bool yes) { cuda::emulated::arrays_are_here = yes; }, nb::arg("yes"),
        "Whether arrays that are handed in count as memory of the emulated device.");
  m.def("take_counts", [] { return nb::make_tuple(cuda::emulated::launches.exchange(0), cuda::emulated::most_queued.exchange(0)); },
        "Launches since the last call, and the most that were queued before the host waited for one.");
  m.def("take_copied", [] { return cuda::emulated::copied.exchange(0); }, "Bytes that were copied since the last call, in any direction.");
  m.def("memory_in_use", [] { return cuda::emulated::used.load(); }, "Bytes of the emulated device that are given out now.");
#else
NB_MODULE(_cuda, m) {
  m.doc() = "Kernels of topo_interp on a CUDA device. Use the functions of the package, which check their arguments.";
#endif
  nb::register_exception_translator(&translate);
  m.def("build_info", &build_info, "The device architectures of this build, its compiler, hash of the C++ sources.");
  m.def("device_count", &cuda::device_count, "Devices that this process can use; 0 without a driver.");
  m.def("why_no_device", &cuda::why_no_device, "What is missing when there is none.");
  m.def("device_info", &device_info, nb::arg("device"), "Name, compute capability, bytes of memory, bytes of it that are free.");
  bind_device_distances(m);
  bind_device_neighbors(m);
  bind_device_graphs(m);
  bind_device_links(m);
}
