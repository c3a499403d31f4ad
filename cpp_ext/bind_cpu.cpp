// The module `_cpu`: each part registers its own functions. Check, release the GIL, call, wrap; nothing else lives here.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "cpu/cpu_features.hpp"
#include "source_hash.hpp"

namespace nb = nanobind;

void bind_distances(nb::module_& m);
void bind_links(nb::module_& m);
void bind_neighbors(nb::module_& m);

namespace {

nb::dict build_info() {
  nb::dict info;
#if defined(__clang__)
  info["compiler"] = "clang " __clang_version__;
#elif defined(__GNUC__)
  info["compiler"] = "gcc " __VERSION__;
#else
  info["compiler"] = "unknown";
#endif
  info["instruction_set"] = std::string(topo_interp::isa_name(topo_interp::best_isa()));
  info["source_hash"] = TOPO_INTERP_SOURCE_HASH;
  return info;
}

}  // namespace

NB_MODULE(_cpu, m) {
  m.doc() = "Native kernels of topo_interp. Use the functions of the package, which check their arguments.";
  m.def("build_info", &build_info, "Compiler, best instruction set that this machine runs, hash of the C++ sources.");
  bind_distances(m);
  bind_links(m);
  bind_neighbors(m);
}
