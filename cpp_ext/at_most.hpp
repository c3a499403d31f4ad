// Rounding of thresholds.
#pragma once
#include <cmath>

namespace topo_interp {

// The largest number of type T that is not above `value`: rounding must let no longer edge in.
template <class T>
T at_most(double value) {
  const auto rounded = static_cast<T>(value);
  return static_cast<double>(rounded) > value ? std::nextafter(rounded, T(-1)) : rounded;
}

}  // namespace topo_interp
