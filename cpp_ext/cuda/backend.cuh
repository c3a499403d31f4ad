// The machine under the operations of this folder, in two versions with one interface.
//
// Compiled by nvcc it is the CUDA runtime. Compiled by a C++ compiler with TOPO_INTERP_EMULATED it is an emulation on the
// host: memory comes from malloc (and from a limit, so that running out of it can be tested), streams are in order because
// everything happens at once, and a launch runs one block after another. The operations can not tell; so tests without a
// device run the same templates, the same tile schedule and the same host code (docs/decisions/0060).
//
// A kernel is a struct `Body` with its arguments as members and
//   static constexpr int threads;      // of a block
//   struct Shared { ... };             // shared memory; trivially constructible, its contents are garbage at the start
//   struct State { ... };              // what each thread keeps from one phase to the next (registers)
//   template <class Block> TOPO_INTERP_HD void run(Block& block) const;
// `run` consists of phases: block.each([&](int thread, State& own) { ... }) is run by every thread, with a barrier after it.
// Control flow between phases may depend only on what all threads of the block see alike (arguments, block.index, and shared
// memory that was written before the last barrier). There are no warps: what needs shuffles is written over shared memory.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device.hpp"

#ifdef TOPO_INTERP_EMULATED
#include <atomic>
#include <cstdlib>
#define TOPO_INTERP_HD inline
#define TOPO_INTERP_UNROLL _Pragma("GCC unroll 16")
#else
#include <cuda_runtime.h>
#define TOPO_INTERP_HD __host__ __device__ __forceinline__
#define TOPO_INTERP_UNROLL _Pragma("unroll")
#endif

namespace topo_interp::cuda {

inline std::int64_t pieces(std::int64_t count, std::int64_t piece) { return (count + piece - 1) / piece; }

#ifdef TOPO_INTERP_EMULATED
namespace emulated {
inline std::atomic<std::int64_t> limit{std::int64_t{2} << 30}, used{0};  // bytes that the "device" has and has given out
inline std::atomic<bool> arrays_are_here{false};                         // whether arrays that are handed in count as its memory
}
#else
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // an error of a call stays set until it is read, and would be blamed on the next
  throw DeviceFailure(std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}
inline cudaStream_t stream_of(const Execution& on) { return static_cast<cudaStream_t>(on.stream); }
#endif

// Makes a device the current one of this thread while it lives: work runs on threads of its own, each of which starts on 0.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
#ifndef TOPO_INTERP_EMULATED
    check(cudaGetDevice(&before_), "cudaGetDevice");
    check(cudaSetDevice(device), "cudaSetDevice");
#else
    (void)device;
#endif
  }
  ~DeviceGuard() {
#ifndef TOPO_INTERP_EMULATED
    (void)cudaSetDevice(before_);
#endif
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_ = 0;
};

// Bytes that an allocation could have now.
inline std::int64_t free_device_bytes() {
#ifdef TOPO_INTERP_EMULATED
  return emulated::limit - emulated::used;
#else
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<std::int64_t>(free);
#endif
}

// Memory of the current device; not initialized.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t size) : size_(size) {
    if (size == 0) return;
    const std::int64_t bytes = size * static_cast<std::int64_t>(sizeof(T));
#ifdef TOPO_INTERP_EMULATED
    if (bytes > emulated::limit - emulated::used) throw OutOfMemory(bytes, emulated::limit - emulated::used);
    data_ = static_cast<T*>(std::malloc(static_cast<std::size_t>(bytes)));
    if (!data_) throw std::bad_alloc();
    emulated::used += bytes;
    std::memset(static_cast<void*>(data_), 0xAB, static_cast<std::size_t>(bytes));  // garbage, as on the device
#else
    const cudaError_t status = cudaMalloc(&data_, static_cast<std::size_t>(bytes));
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      throw OutOfMemory(bytes, free_device_bytes());
    }
    check(status, "cudaMalloc");
#endif
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() {
    if (!data_) return;
#ifdef TOPO_INTERP_EMULATED
    emulated::used -= size_ * static_cast<std::int64_t>(sizeof(T));
    std::free(data_);
#else
    (void)cudaFree(data_);
#endif
  }
  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

// Memory of the host that copies can read and write while other work goes on.
template <class T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::int64_t size) : size_(size) {
    if (size == 0) return;
    const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
#ifdef TOPO_INTERP_EMULATED
    data_ = static_cast<T*>(std::malloc(bytes));
    if (!data_) throw std::bad_alloc();
#else
    check(cudaHostAlloc(reinterpret_cast<void**>(&data_), bytes, cudaHostAllocDefault), "cudaHostAlloc");
#endif
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PinnedBuffer() {
#ifdef TOPO_INTERP_EMULATED
    std::free(data_);
#else
    if (data_) (void)cudaFreeHost(data_);
#endif
  }
  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

inline void synchronize(const Execution& on) {
#ifdef TOPO_INTERP_EMULATED
  (void)on;
#else
  check(cudaStreamSynchronize(stream_of(on)), "cudaStreamSynchronize");
#endif
}

// A stream of our own beside the caller's, for copies that go on while it computes.
class CopyStream {
 public:
  CopyStream() {
#ifndef TOPO_INTERP_EMULATED
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
#endif
  }
  ~CopyStream() {
#ifndef TOPO_INTERP_EMULATED
    (void)cudaStreamSynchronize(stream_);
    (void)cudaStreamDestroy(stream_);
#endif
  }
  CopyStream(const CopyStream&) = delete;
  CopyStream& operator=(const CopyStream&) = delete;
  Execution on(int device) const {
#ifdef TOPO_INTERP_EMULATED
    return {device, nullptr};
#else
    return {device, stream_};
#endif
  }

#ifndef TOPO_INTERP_EMULATED
 private:
  cudaStream_t stream_ = nullptr;
#endif
};

// A point in one stream's work that another stream, or the host, waits for.
class Event {
 public:
  Event() {
#ifndef TOPO_INTERP_EMULATED
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
#endif
  }
  ~Event() {
#ifndef TOPO_INTERP_EMULATED
    if (event_) (void)cudaEventDestroy(event_);
#endif
  }
#ifdef TOPO_INTERP_EMULATED
  Event(Event&&) noexcept {}
#else
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
#endif
  Event& operator=(Event&&) = delete;
  void record(const Execution& on) {
#ifdef TOPO_INTERP_EMULATED
    (void)on;
#else
    check(cudaEventRecord(event_, stream_of(on)), "cudaEventRecord");
#endif
  }
  void hold_back(const Execution& on) const {  // what comes next on that stream
#ifdef TOPO_INTERP_EMULATED
    (void)on;
#else
    check(cudaStreamWaitEvent(stream_of(on), event_, 0), "cudaStreamWaitEvent");
#endif
  }
  void wait() const {
#ifndef TOPO_INTERP_EMULATED
    check(cudaEventSynchronize(event_), "cudaEventSynchronize");
#endif
  }

#ifndef TOPO_INTERP_EMULATED
 private:
  cudaEvent_t event_ = nullptr;
#endif
};

// Copies `count` entries, from and to host or device; in order on the stream. A copy to or from memory that is not pinned has
// read or written it when the call returns.
template <class T>
void copy(const Execution& on, T* to, const T* from, std::int64_t count) {
  if (count == 0) return;
  const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
#ifdef TOPO_INTERP_EMULATED
  (void)on;
  std::memcpy(to, from, bytes);
#else
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(on)), "cudaMemcpyAsync");
#endif
}

// `rows` runs of `width` bytes whose starts lie `from_pitch` and `to_pitch` bytes apart.
inline void copy_rows(const Execution& on, void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch,
                      std::int64_t width, std::int64_t rows) {
  if (rows == 0 || width == 0) return;
#ifdef TOPO_INTERP_EMULATED
  (void)on;
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(static_cast<char*>(to) + r * to_pitch, static_cast<const char*>(from) + r * from_pitch,
                static_cast<std::size_t>(width));
#else
  check(cudaMemcpy2DAsync(to, static_cast<std::size_t>(to_pitch), from, static_cast<std::size_t>(from_pitch),
                          static_cast<std::size_t>(width), static_cast<std::size_t>(rows), cudaMemcpyDefault, stream_of(on)),
        "cudaMemcpy2DAsync");
#endif
}

template <class T>
void fill_bytes(const Execution& on, T* to, int byte, std::int64_t count) {
  if (count == 0) return;
  const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
#ifdef TOPO_INTERP_EMULATED
  (void)on;
  std::memset(static_cast<void*>(to), byte, bytes);
#else
  check(cudaMemsetAsync(to, byte, bytes, stream_of(on)), "cudaMemsetAsync");
#endif
}

// Entries on the device as a vector; waits for the stream.
template <class T>
std::vector<T> to_host(const Execution& on, const T* from, std::int64_t count) {
  std::vector<T> out(static_cast<std::size_t>(count));
  copy(on, out.data(), from, count);
  synchronize(on);
  return out;
}

template <class T>
DeviceBuffer<T> to_device(const Execution& on, const T* from, std::int64_t count) {
  DeviceBuffer<T> out(count);
  copy(on, out.data(), from, count);
  synchronize(on);  // `from` may go away
  return out;
}

// ---- inside kernels ---------------------------------------------------------------------------------------------------------

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
TOPO_INTERP_HD T atomic_min(T* where, T value) {
#ifdef __CUDA_ARCH__
  return atomicMin(where, value);
#else
  const T before = *where;
  if (value < before) *where = value;
  return before;
#endif
}

template <class T>
TOPO_INTERP_HD T atomic_max(T* where, T value) {
#ifdef __CUDA_ARCH__
  return atomicMax(where, value);
#else
  const T before = *where;
  if (value > before) *where = value;
  return before;
#endif
}

TOPO_INTERP_HD int atomic_or(int* where, int value) {
#ifdef __CUDA_ARCH__
  return atomicOr(where, value);
#else
  const int before = *where;
  *where = before | value;
  return before;
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
void launch(const Execution&, std::int64_t blocks, const Body& body) {
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
