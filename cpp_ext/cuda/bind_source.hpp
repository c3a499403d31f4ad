// A source of distances on the device, as the bindings hand it around: with what it reads kept alive.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>

#include "cuda/distance_blocks.hpp"

namespace topo_interp::cuda {

template <class T>
struct BoundSource {
  nanobind::object owner;  // the array of the caller that it reads, or None
  std::shared_ptr<const DistanceBlocks<T>> distances;
  Execution on;
};

}  // namespace topo_interp::cuda
