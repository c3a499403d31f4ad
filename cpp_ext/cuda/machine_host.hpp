// The machine under backend.cuh as an emulation on the host; machine_cuda.hpp is the other one, with the same names. Everything
// happens at once, so that streams and events are nothing. There are two devices, which share their memory; work that is meant for
// one on a thread of the other is an error.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string>

#include "cuda/device.hpp"

#define TOPO_INTERP_HD inline
#define TOPO_INTERP_UNROLL _Pragma("GCC unroll 16")

namespace topo_interp::cuda {

namespace emulated {
inline std::atomic<std::int64_t> limit{std::int64_t{2} << 30}, used{0};  // bytes that the "device" has and has given out
inline constexpr std::int64_t any_size = std::numeric_limits<std::int64_t>::max();
inline std::atomic<std::int64_t> largest_pinned{any_size}, largest_pageable{any_size};  // pieces of the host's memory
inline std::atomic<bool> arrays_are_here{false};                         // whether arrays that are handed in count as its memory
inline thread_local int current = 0;                                     // a thread starts on device 0, as on the machine
inline void expect(const Execution& on) {
  if (on.device == current) return;
  throw DeviceFailure("work for device " + std::to_string(on.device) + " came to a thread of device " + std::to_string(current));
}

// What a device would be asked for: launches, and the most of them that were queued before the host waited for its stream.
inline std::atomic<std::int64_t> launches{0}, queued{0}, most_queued{0}, copied{0};  // of bytes
inline void count_launch(const Execution& on) {
  expect(on);
  ++launches;
  most_queued = std::max(++queued, most_queued.load());
}
}  // namespace emulated

struct DeviceMemory {
  static void* take(std::int64_t bytes) {
    const std::int64_t free = emulated::limit - emulated::used;
    if (bytes > free) throw OutOfMemory(bytes, free);
    void* const data = std::malloc(static_cast<std::size_t>(bytes));
    if (!data) throw std::bad_alloc();
    emulated::used += bytes;
    return std::memset(data, 0xAB, static_cast<std::size_t>(bytes));  // garbage, as on the device
  }
  static void give(void* data, std::int64_t bytes) noexcept {
    emulated::used -= bytes;
    std::free(data);
  }
};

namespace machine {

inline void* new_pageable(std::int64_t bytes) noexcept {
  return bytes > emulated::largest_pageable ? nullptr : std::malloc(static_cast<std::size_t>(bytes));
}
inline void* new_pinned(std::int64_t bytes) { return bytes > emulated::largest_pinned ? nullptr : new_pageable(bytes); }
inline void end_host(void* data) noexcept { std::free(data); }

inline void copy(const Execution& on, void* to, const void* from, std::int64_t bytes) {
  emulated::expect(on);
  emulated::copied += bytes;
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}
inline void copy_rows(const Execution& on, void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch,
                      std::int64_t width, std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r)
    copy(on, static_cast<char*>(to) + r * to_pitch, static_cast<const char*>(from) + r * from_pitch, width);
}
inline void fill(const Execution& on, void* to, int byte, std::int64_t bytes) {
  emulated::expect(on);
  std::memset(to, byte, static_cast<std::size_t>(bytes));
}
inline void synchronize(const Execution&) { emulated::queued = 0; }
inline void drain(const Execution&) noexcept {}

inline void* new_stream() { return nullptr; }
inline void end_stream(void*) noexcept {}

inline void* new_event() { return nullptr; }
inline void end_event(void*) noexcept {}
inline void record(const Execution&, void*) {}
inline void hold_back(const Execution&, void*) {}
inline void wait(void*) {}

}  // namespace machine
}  // namespace topo_interp::cuda
