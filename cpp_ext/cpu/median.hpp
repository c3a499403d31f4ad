// The middle of many distances, without sorting them.
#pragma once
#include <cstdint>

#include "interrupt.hpp"

namespace topo_interp {

// The median of `count` >= 1 numbers >= 0 (their bits order like their values): the mean of the two middle ones where the
// count is even, exactly rounded to float32.
float median_of(const float* values, std::int64_t count, int threads, const Control& control);

}  // namespace topo_interp
