#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_links(nb::module_&) {}
