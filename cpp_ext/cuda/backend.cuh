// The machine under the operations of this folder, in two versions with one interface.
//
// Compiled by nvcc it is the CUDA runtime. Compiled by a C++ compiler with TOPO_INTERP_EMULATED it is an emulation on the
// host: memory comes from malloc (and from a limit, so that running out of it can be tested), streams are in order because
// everything happens at once, and a launch runs one block after another. The operations can not tell; so tests without a
// device run the same templates, the same tile schedule and the same host code (docs/decisions/0060).
//
// memory.cuh: buffers, copies, streams and events. kernel.cuh: kernels of blocks. warps.cuh: kernels of warps.
#pragma once
#include <cstdint>

#ifdef TOPO_INTERP_EMULATED
#include "cuda/machine_host.hpp"
#else
#include "cuda/machine_cuda.hpp"
#endif

namespace topo_interp::cuda {

inline std::int64_t pieces(std::int64_t count, std::int64_t piece) { return (count + piece - 1) / piece; }

}  // namespace topo_interp::cuda
