// What the bindings take as text.
#pragma once
#include <string>

#include "cpu/cpu_features.hpp"

namespace topo_interp {

enum class MetricKind : int;

// An unknown name is an std::invalid_argument, which Python sees as a ValueError.
MetricKind metric_named(const std::string& name);

// "" is the best that there is; a set that was asked for and is missing is an error, never another set.
Isa isa_named(const std::string& name);

}  // namespace topo_interp
