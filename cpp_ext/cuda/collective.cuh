// What the threads of a warp do together, once for the device and once, as loops, for the host.
//
// Kernels of irregular work (links of edges, components of a forest) are templates over such a group: all of their logic runs
// in the tests of a machine without a device. A body is called once for each k; bodies of one call must not depend on one
// another, and what they wrote is seen by all after the call. The host goes through k in either direction, so that a body
// that does depend on the others is found out.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define TOPO_INTERP_BOTH __host__ __device__
#else
#define TOPO_INTERP_BOTH
#endif

namespace topo_interp::cuda {

using Word = std::uint64_t;
inline constexpr unsigned lanes = 32;
inline constexpr std::uint32_t nothing = 0xffffffffu;

// The first and the last set bit of a word that is not zero, and the number of set bits.
TOPO_INTERP_BOTH inline unsigned lowest_bit(Word word) {
#if defined(__CUDA_ARCH__)
  return static_cast<unsigned>(__ffsll(static_cast<long long>(word)) - 1);
#else
  return static_cast<unsigned>(__builtin_ctzll(word));
#endif
}

TOPO_INTERP_BOTH inline void atomic_or(Word* at, Word bits) {
#if defined(__CUDA_ARCH__)
  atomicOr(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(bits));
#else
  *at |= bits;
#endif
}
TOPO_INTERP_BOTH inline void atomic_least(Word* at, Word value) {
#if defined(__CUDA_ARCH__)
  atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
#else
  if (value < *at) *at = value;
#endif
}
TOPO_INTERP_BOTH inline void atomic_most(Word* at, Word value) {
#if defined(__CUDA_ARCH__)
  atomicMax(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
#else
  if (value > *at) *at = value;
#endif
}
// The value before.
TOPO_INTERP_BOTH inline Word atomic_add(Word* at, Word value) {
#if defined(__CUDA_ARCH__)
  return atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
#else
  const Word before = *at;
  *at += value;
  return before;
#endif
}

// The bits of a float that is not negative compare as it does; adding zero turns -0 into +0.
TOPO_INTERP_BOTH inline std::uint32_t bits_of(float length) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(length + 0.0f);
#else
  length += 0.0f;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &length, sizeof bits);
  return bits;
#endif
}

// One thread that plays a warp.
class HostWarp {
 public:
  explicit HostWarp(bool backward = false) : backward_(backward) {}

  template <class Body>
  void each(std::uint64_t count, Body&& body) const {
    for (std::uint64_t k = 0; k < count; ++k) body(backward_ ? count - 1 - k : k);
  }
  template <class Body>
  void once(Body&& body) const {
    body();
  }
  // Whether the test holds for any k; all are tried.
  template <class Test>
  bool any(std::uint64_t count, Test&& test) const {
    bool found = false;
    each(count, [&](std::uint64_t k) { found = test(k) || found; });
    return found;
  }
  template <class Value>
  std::uint32_t least(std::uint64_t count, Value&& value) const {
    std::uint32_t out = nothing;
    each(count, [&](std::uint64_t k) { out = value(k) < out ? value(k) : out; });
    return out;
  }
  template <class Value>
  Word least_word(std::uint64_t count, Value&& value) const {
    Word out = ~Word{0};
    each(count, [&](std::uint64_t k) { out = value(k) < out ? value(k) : out; });
    return out;
  }
  template <class Value>
  double sum(std::uint64_t count, Value&& value) const {
    double out = 0;
    each(count, [&](std::uint64_t k) { out += value(k); });
    return out;
  }
  // Calls emit(k, place) for the k that pass, places counted from 0 in the order of k; returns how many there are.
  template <class Test, class Emit>
  std::uint64_t pack(std::uint64_t count, Test&& test, Emit&& emit) const {
    std::uint64_t place = 0;
    for (std::uint64_t k = 0; k < count; ++k) {
      if (test(k)) emit(k, place++);
    }
    return place;
  }

 private:
  bool backward_;
};

#if defined(__CUDACC__)
class Warp {
 public:
  __device__ Warp() : lane_(threadIdx.x % lanes) {}

  template <class Body>
  __device__ void each(std::uint64_t count, Body&& body) const {
    __syncwarp();
    for (std::uint64_t k = lane_; k < count; k += lanes) body(k);
    __syncwarp();
  }
  template <class Body>
  __device__ void once(Body&& body) const {
    __syncwarp();
    if (lane_ == 0) body();
    __syncwarp();
  }
  template <class Test>
  __device__ bool any(std::uint64_t count, Test&& test) const {
    __syncwarp();
    bool found = false;
    for (std::uint64_t k = lane_; k < count; k += lanes) found = test(k) || found;
    __syncwarp();
    return __any_sync(all, found);
  }
  template <class Value>
  __device__ std::uint32_t least(std::uint64_t count, Value&& value) const {
    __syncwarp();
    std::uint32_t out = nothing;
    for (std::uint64_t k = lane_; k < count; k += lanes) out = min(out, static_cast<std::uint32_t>(value(k)));
    __syncwarp();
    return __reduce_min_sync(all, out);
  }
  template <class Value>
  __device__ Word least_word(std::uint64_t count, Value&& value) const {
    Word out = ~Word{0};
    for (std::uint64_t k = lane_; k < count; k += lanes) {
      const Word mine = value(k);
      out = mine < out ? mine : out;
    }
    for (unsigned step = lanes / 2; step != 0; step /= 2) {
      const Word other = __shfl_xor_sync(all, static_cast<unsigned long long>(out), step);
      out = other < out ? other : out;
    }
    return out;
  }
  template <class Value>
  __device__ double sum(std::uint64_t count, Value&& value) const {
    double out = 0;
    for (std::uint64_t k = lane_; k < count; k += lanes) out += value(k);
    for (unsigned step = lanes / 2; step != 0; step /= 2) out += __shfl_xor_sync(all, out, step);
    return out;
  }
  template <class Test, class Emit>
  __device__ std::uint64_t pack(std::uint64_t count, Test&& test, Emit&& emit) const {
    std::uint64_t place = 0;
    for (std::uint64_t first = 0; first < count; first += lanes) {
      const std::uint64_t k = first + lane_;
      const bool passes = k < count && test(k);
      const unsigned passed = __ballot_sync(all, passes);
      if (passes) emit(k, place + static_cast<unsigned>(__popc(passed & ((1u << lane_) - 1))));
      place += static_cast<unsigned>(__popc(passed));
    }
    return place;
  }

 private:
  static constexpr unsigned all = 0xffffffffu;
  unsigned lane_;
};
#endif

}  // namespace topo_interp::cuda
