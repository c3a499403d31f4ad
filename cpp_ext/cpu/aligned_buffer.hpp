// Memory for packed operands: starts on a cache line, and on Linux asks for huge pages, which halves the first touch.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace topo_interp {

template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count) {
    if (count == 0) return;
    if (count > (static_cast<std::size_t>(-1) >> 2) / sizeof(T)) throw std::bad_alloc();
    const std::size_t alignment = count * sizeof(T) >= huge ? huge : 64;
    const std::size_t bytes = (count * sizeof(T) + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, bytes));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == huge) madvise(data_, bytes, MADV_HUGEPAGE);  // advice: a refusal changes nothing
#endif
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~AlignedBuffer() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  static constexpr std::size_t huge = std::size_t{1} << 21;
  T* data_ = nullptr;
};

}  // namespace topo_interp
