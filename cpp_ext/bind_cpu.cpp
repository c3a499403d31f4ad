// The module `_cpu`: each part registers its own functions. Check, release the GIL, call, wrap; nothing else lives here.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_distances(nb::module_& m);
void bind_links(nb::module_& m);

NB_MODULE(_cpu, m) {
  m.doc() = "Native kernels of topo_interp. Use the functions of the package, which check their arguments.";
  bind_distances(m);
  bind_links(m);
}
