// The machine under backend.cuh as the CUDA runtime; machine_host.hpp is the other one, with the same names.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "cuda/device.hpp"

#define TOPO_INTERP_HD __host__ __device__ __forceinline__
#define TOPO_INTERP_UNROLL _Pragma("unroll")

namespace topo_interp::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // an error of a call stays set until it is read, and would be blamed on the next
  throw DeviceFailure(std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}
inline cudaStream_t stream_of(const Execution& on) { return static_cast<cudaStream_t>(on.stream); }

struct DeviceMemory {
  static void* take(std::int64_t bytes) {
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, static_cast<std::size_t>(bytes));
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      throw OutOfMemory(bytes, free_device_bytes());
    }
    check(status, "cudaMalloc");
    return data;
  }
  static void give(void* data, std::int64_t) noexcept { (void)cudaFree(data); }
};

namespace machine {

// Memory of the host; null where there is no more of its kind.
inline void* new_pageable(std::int64_t bytes) noexcept { return std::malloc(static_cast<std::size_t>(bytes)); }
inline void* new_pinned(std::int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaHostAlloc(&data, static_cast<std::size_t>(bytes), cudaHostAllocDefault);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  check(status, "cudaHostAlloc");
  return data;
}
inline void end_host(void* data) noexcept {  // of either kind
  cudaPointerAttributes found{};
  if (cudaPointerGetAttributes(&found, data) == cudaSuccess && found.type == cudaMemoryTypeHost) {
    (void)cudaFreeHost(data);
  } else {
    (void)cudaGetLastError();
    std::free(data);
  }
}

inline void copy(const Execution& on, void* to, const void* from, std::int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, stream_of(on)), "cudaMemcpyAsync");
}
inline void copy_rows(const Execution& on, void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch,
                      std::int64_t width, std::int64_t rows) {
  check(cudaMemcpy2DAsync(to, static_cast<std::size_t>(to_pitch), from, static_cast<std::size_t>(from_pitch),
                          static_cast<std::size_t>(width), static_cast<std::size_t>(rows), cudaMemcpyDefault, stream_of(on)),
        "cudaMemcpy2DAsync");
}
inline void fill(const Execution& on, void* to, int byte, std::int64_t bytes) {
  check(cudaMemsetAsync(to, byte, static_cast<std::size_t>(bytes), stream_of(on)), "cudaMemsetAsync");
}
inline void synchronize(const Execution& on) { check(cudaStreamSynchronize(stream_of(on)), "cudaStreamSynchronize"); }
inline void drain(const Execution& on) noexcept { (void)cudaStreamSynchronize(stream_of(on)); }  // for destructors

inline void* new_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}
inline void end_stream(void* stream) noexcept { (void)cudaStreamDestroy(static_cast<cudaStream_t>(stream)); }

inline void* new_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}
inline void end_event(void* event) noexcept { (void)cudaEventDestroy(static_cast<cudaEvent_t>(event)); }
inline void record(const Execution& on, void* event) {
  check(cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(on)), "cudaEventRecord");
}
inline void hold_back(const Execution& on, void* event) {
  check(cudaStreamWaitEvent(stream_of(on), static_cast<cudaEvent_t>(event), 0), "cudaStreamWaitEvent");
}
inline void wait(void* event) { check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize"); }

}  // namespace machine
}  // namespace topo_interp::cuda
