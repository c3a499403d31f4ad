// Memory of the device and of the host beside it: buffers, copies in order on a stream, and what waits for what.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "cuda/backend.cuh"
#include "interrupt.hpp"

namespace topo_interp::cuda {

// Not initialized.
template <class T, class Memory>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) : data_(size ? static_cast<T*>(Memory::take(size * each)) : nullptr), size_(size) {}
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (data_) Memory::give(data_, size_ * each);
  }
  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  static constexpr auto each = static_cast<std::int64_t>(sizeof(T));
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

// Memory of the host that copies read and write while other work goes on. Where no more can be pinned it is pageable: the same
// copies, which then wait for one another.
struct PinnedMemory {
  static void* take(std::int64_t bytes) {
    void* data = machine::new_pinned(bytes);
    if (!data) data = machine::new_pageable(bytes);
    if (!data) throw HostOutOfMemory(bytes);
    return data;
  }
  static void give(void* data, std::int64_t) noexcept { machine::end_host(data); }
};

template <class T>
using DeviceBuffer = Buffer<T, DeviceMemory>;  // of the current device
template <class T>
using PinnedBuffer = Buffer<T, PinnedMemory>;

inline void synchronize(const Execution& on) { machine::synchronize(on); }

// A stream of our own beside the caller's, for copies that go on while it computes. The destructor waits for them.
class CopyStream {
 public:
  explicit CopyStream(int device) : on_{device, machine::new_stream()} {}
  ~CopyStream() {
    machine::drain(on_);
    machine::end_stream(on_.stream);
  }
  CopyStream(const CopyStream&) = delete;
  CopyStream& operator=(const CopyStream&) = delete;
  const Execution& on() const { return on_; }

 private:
  const Execution on_;
};

// A point in one stream's work that another stream, or the host, waits for.
class Event {
 public:
  Event() : event_(machine::new_event()) {}
  ~Event() { machine::end_event(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(const Execution& on) { machine::record(on, event_); }
  void hold_back(const Execution& on) const { machine::hold_back(on, event_); }  // what comes next on that stream
  void wait() const { machine::wait(event_); }

 private:
  void* const event_;
};

// Copies `count` entries, from and to host or device; in order on the stream. Memory of the host is the copy's until the stream
// has been waited for.
template <class T>
void copy(const Execution& on, T* to, const T* from, std::int64_t count) {
  if (count) machine::copy(on, to, from, count * static_cast<std::int64_t>(sizeof(T)));
}

// `rows` runs of `width` bytes whose starts lie `from_pitch` and `to_pitch` bytes apart, likewise.
inline void copy_rows(const Execution& on, void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch,
                      std::int64_t width, std::int64_t rows) {
  if (rows && width) machine::copy_rows(on, to, to_pitch, from, from_pitch, width, rows);
}

template <class T>
void fill_bytes(const Execution& on, T* to, int byte, std::int64_t count) {
  if (count) machine::fill(on, to, byte, count * static_cast<std::int64_t>(sizeof(T)));
}

// act(first, count) for runs of entries of `each` bytes, of about 256 MB; throws Interrupted between them when it is to stop.
template <class Act>
void in_slices(std::int64_t count, std::int64_t each, const Control& control, Act&& act) {
  const std::int64_t run = std::max<std::int64_t>(1, (std::int64_t{256} << 20) / each);
  for (std::int64_t first = 0; first < count; first += run) {
    if (control.stopped()) throw Interrupted();
    act(first, std::min(run, count - first));
  }
}

// As copy, for gigabytes; waits for the stream.
template <class T>
void copy_in_slices(const Execution& on, T* to, const T* from, std::int64_t count, const Control& control) {
  in_slices(count, sizeof(T), control, [&](std::int64_t first, std::int64_t run) {
    copy(on, to + first, from + first, run);
    synchronize(on);
  });
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

}  // namespace topo_interp::cuda
