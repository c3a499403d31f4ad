// What the 32 threads of a warp do together, in two versions with one interface, as the rest of the backend.
//
// For irregular work on rows of words: links of edges, rows of a matrix. A body is a struct with its arguments as members and
//   template <class Group> TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word* scratch) const;
// All threads of the warp go through `run` together; what they do apart stands in the lambdas of the group's functions, called
// once for each k. The calls of one lambda must not depend on one another, and what they wrote is seen by all afterwards. The
// emulation goes through k forwards and backwards in turn, so that a lambda that does depend on the others shows.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuda/kernel.cuh"

#ifdef TOPO_INTERP_EMULATED
#define TOPO_INTERP_DEVICE
#else
#define TOPO_INTERP_DEVICE __device__
#endif

namespace topo_interp::cuda {

using Word = Count;  // 64 bits, as the atomics want them
inline constexpr std::int64_t lanes = 32;
inline constexpr std::uint32_t nothing = 0xffffffffu;

TOPO_INTERP_DEVICE inline unsigned lowest_bit(Word word) {  // of a word that is not zero
#ifdef TOPO_INTERP_EMULATED
  return static_cast<unsigned>(__builtin_ctzll(word));
#else
  return static_cast<unsigned>(__ffsll(static_cast<long long>(word)) - 1);
#endif
}

#ifdef TOPO_INTERP_EMULATED

class Warp {
 public:
  template <class Do>
  void each(std::int64_t count, Do&& act) const {
    backward_ = !backward_;
    for (std::int64_t k = 0; k < count; ++k) act(backward_ ? count - 1 - k : k);
  }
  template <class Do>
  void once(Do&& act) const {
    act();
  }
  // Whether the test holds for any k; every k is tried.
  template <class Test>
  bool any(std::int64_t count, Test&& test) const {
    bool found = false;
    each(count, [&](std::int64_t k) { found = test(k) || found; });
    return found;
  }
  // The smallest value, of 64 bits; all ones when there is no k.
  template <class Value>
  Word smallest(std::int64_t count, Value&& value) const {
    Word out = ~Word{0};
    each(count, [&](std::int64_t k) { out = least(out, Word{value(k)}); });
    return out;
  }
  template <class Value>
  double sum(std::int64_t count, Value&& value) const {
    double out = 0;
    for (std::int64_t k = 0; k < count; ++k) out += value(k);
    return out;
  }
  // Calls emit(k, place) for the k that pass, with places from 0 on in the order of k; returns how many there are.
  template <class Test, class Emit>
  std::int64_t pack(std::int64_t count, Test&& test, Emit&& emit) const {
    std::int64_t place = 0;
    for (std::int64_t k = 0; k < count; ++k) {
      if (test(k)) emit(k, place++);
    }
    return place;
  }

 private:
  mutable bool backward_ = false;
};

// Runs the body for the indices [0, warps), each with `scratch` words of its own that are garbage at the start.
template <class Body>
void launch_warps(const Execution& on, std::int64_t warps, const Body& body, std::int64_t scratch = 0) {
  emulated::count_launch(on);
  std::vector<Word> words(static_cast<std::size_t>(scratch));
  const Warp group;
  for (std::int64_t index = 0; index < warps; ++index) {
    std::fill(words.begin(), words.end(), 0xabababababababab);
    body.run(group, index, words.data());
  }
}

#else

class Warp {
 public:
  template <class Do>
  __device__ void each(std::int64_t count, Do&& act) const {
    __syncwarp();
    for (std::int64_t k = lane(); k < count; k += lanes) act(k);
    __syncwarp();
  }
  template <class Do>
  __device__ void once(Do&& act) const {
    __syncwarp();
    if (lane() == 0) act();
    __syncwarp();
  }
  template <class Test>
  __device__ bool any(std::int64_t count, Test&& test) const {
    bool found = false;
    each(count, [&](std::int64_t k) { found = test(k) || found; });
    return __any_sync(everyone, found);
  }
  template <class Value>
  __device__ Word smallest(std::int64_t count, Value&& value) const {
    Word out = ~Word{0};
    each(count, [&](std::int64_t k) { out = least(out, Word{value(k)}); });
    for (int step = lanes / 2; step != 0; step /= 2) out = least(out, __shfl_xor_sync(everyone, out, step));
    return out;
  }
  template <class Value>
  __device__ double sum(std::int64_t count, Value&& value) const {
    double out = 0;
    each(count, [&](std::int64_t k) { out += value(k); });
    for (int step = lanes / 2; step != 0; step /= 2) out += __shfl_xor_sync(everyone, out, step);
    return out;
  }
  template <class Test, class Emit>
  __device__ std::int64_t pack(std::int64_t count, Test&& test, Emit&& emit) const {
    std::int64_t place = 0;
    __syncwarp();
    for (std::int64_t first = 0; first < count; first += lanes) {
      const std::int64_t k = first + lane();
      const bool passes = k < count && test(k);
      const unsigned passed = __ballot_sync(everyone, passes);
      if (passes) emit(k, place + __popc(passed & ((1u << lane()) - 1)));
      place += __popc(passed);
    }
    __syncwarp();
    return place;
  }

 private:
  static constexpr unsigned everyone = 0xffffffffu;
  __device__ static int lane() { return static_cast<int>(threadIdx.x % lanes); }
};

template <class Body>
__global__ void __launch_bounds__(256) run_warps(const Body body, const std::int64_t warps, const std::int64_t scratch) {
  extern __shared__ Word words[];
  const std::int64_t index = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / lanes;
  if (index < warps) body.run(Warp{}, index, words + (threadIdx.x / lanes) * scratch);
}

template <class Body>
void launch_warps(const Execution& on, std::int64_t warps, const Body& body, std::int64_t scratch = 0) {
  if (warps == 0) return;
  int most_bytes = 0;
  check(cudaDeviceGetAttribute(&most_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, on.device), "cudaDeviceGetAttribute");
  const std::int64_t bytes = scratch * static_cast<std::int64_t>(sizeof(Word));
  std::int64_t together = 8;
  while (together > 1 && together * bytes > most_bytes / 2) together /= 2;  // two blocks fit on a multiprocessor
  if (together * bytes > most_bytes) throw DeviceFailure("a row of bits does not fit into the shared memory of the device");
  const int dynamic = static_cast<int>(together * bytes);
  // The attribute is the whole process's: the same value in every call, or threads would take each other's away.
  if (dynamic != 0)
    check(cudaFuncSetAttribute(run_warps<Body>, cudaFuncAttributeMaxDynamicSharedMemorySize, most_bytes), "cudaFuncSetAttribute");
  const std::int64_t blocks = pieces(warps, together);
  if (blocks > std::numeric_limits<std::int32_t>::max()) throw DeviceFailure("a grid of more than 2^31 - 1 blocks");
  run_warps<Body><<<static_cast<unsigned>(blocks), static_cast<unsigned>(together * lanes), static_cast<std::size_t>(dynamic),
                    stream_of(on)>>>(body, warps, scratch);
  check(cudaGetLastError(), "a kernel launch");
}

#endif

// A body for single items: Item has `TOPO_INTERP_DEVICE void operator()(std::int64_t k) const`.
template <class Item>
struct ItemsBody {
  static constexpr std::int64_t run_length = 8 * lanes;
  Item item;
  std::int64_t count;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const std::int64_t first = index * run_length;
    group.each(least(run_length, count - first), [&](std::int64_t k) { item(first + k); });
  }
};
template <class Item>
void launch_items(const Execution& on, std::int64_t count, const Item& item) {
  launch_warps(on, pieces(count, ItemsBody<Item>::run_length), ItemsBody<Item>{item, count});
}

}  // namespace topo_interp::cuda
