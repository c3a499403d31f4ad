// Kernels of blocks of threads, in the two versions of backend.cuh.
//
// A kernel is a struct `Body` with its arguments as members and
//   static constexpr int threads;      // of a block
//   struct Shared { ... };             // shared memory; trivially constructible, its contents are garbage at the start
//   struct State { ... };              // what each thread keeps from one phase to the next (registers)
//   template <class Block> TOPO_INTERP_HD void run(Block& block) const;
// `run` consists of phases: block.each([&](int thread, State& own) { ... }) is run by every thread, with a barrier after it.
// Control flow between phases may depend only on what all threads of the block see alike (arguments, block.index, and shared
// memory that was written before the last barrier). There are no warps in these bodies: warps.cuh has them.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "cuda/backend.cuh"

namespace topo_interp::cuda {

using Count = unsigned long long;  // what atomics take

template <class T>
TOPO_INTERP_HD T atomic_add(T* where, T value) {  // int, unsigned, Count; returns what was there
#ifdef __CUDA_ARCH__
  return atomicAdd(where, value);
#else
  const T before = *where;
  *where = before + value;
  return before;
#endif
}

template <class T>
TOPO_INTERP_HD void atomic_max(T* where, T value) {
#ifdef __CUDA_ARCH__
  atomicMax(where, value);
#else
  if (value > *where) *where = value;
#endif
}

template <class T>
TOPO_INTERP_HD void atomic_or(T* where, T bits) {
#ifdef __CUDA_ARCH__
  atomicOr(where, bits);
#else
  *where |= bits;
#endif
}

// Doubles >= 0 compare like the integers of their bits.
TOPO_INTERP_HD Count bits_of(double value) {
  Count bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
TOPO_INTERP_HD double from_bits(Count bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
TOPO_INTERP_HD void atomic_max_double(double* where, double value) {  // value and *where >= 0
  atomic_max(reinterpret_cast<Count*>(where), bits_of(value));
}

template <class T>
TOPO_INTERP_HD T least(T a, T b) { return b < a ? b : a; }
template <class T>
TOPO_INTERP_HD T most(T a, T b) { return a < b ? b : a; }

#ifdef TOPO_INTERP_EMULATED

template <class Body>
struct Block {
  std::int64_t index;
  typename Body::Shared& shared;
  std::vector<typename Body::State>& states;
  int phase = 0;
  // Every other phase runs the threads backwards: a phase whose result depends on their order is wrong, and shows here.
  template <class Do>
  void each(Do&& act) {
    if (phase++ % 2 == 0) {
      for (int thread = 0; thread < Body::threads; ++thread) act(thread, states[static_cast<std::size_t>(thread)]);
    } else {
      for (int thread = Body::threads; thread-- > 0;) act(thread, states[static_cast<std::size_t>(thread)]);
    }
  }
};

template <class Body>
void launch(const Execution& on, std::int64_t blocks, const Body& body) {
  emulated::count_launch(on);
  std::vector<typename Body::Shared> shared(1);
  for (std::int64_t index = 0; index < blocks; ++index) {
    std::memset(static_cast<void*>(shared.data()), 0xAB, sizeof(typename Body::Shared));
    std::vector<typename Body::State> states(Body::threads);
    Block<Body> block{index, shared[0], states};
    body.run(block);
  }
}

#else

template <class Body>
struct Block {
  std::int64_t index;
  typename Body::Shared& shared;
  typename Body::State state;
  template <class Do>
  __device__ __forceinline__ void each(Do&& act) {
    act(static_cast<int>(threadIdx.x), state);
    __syncthreads();
  }
};

template <class Body>
__global__ void __launch_bounds__(Body::threads) run_body(const Body body) {
  __shared__ typename Body::Shared shared;
  Block<Body> block{static_cast<std::int64_t>(blockIdx.x), shared, {}};
  body.run(block);
}

// Queues the blocks [0, blocks) on the stream. What a kernel does wrong is reported here or where the stream is waited for.
template <class Body>
void launch(const Execution& on, std::int64_t blocks, const Body& body) {
  if (blocks == 0) return;
  if (blocks > std::numeric_limits<std::int32_t>::max()) throw DeviceFailure("a grid of more than 2^31 - 1 blocks");
  run_body<Body><<<static_cast<unsigned>(blocks), Body::threads, 0, stream_of(on)>>>(body);
  check(cudaGetLastError(), "a kernel launch");
}

#endif

struct Nothing {};  // of a body without shared memory or state

}  // namespace topo_interp::cuda
