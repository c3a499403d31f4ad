// A stable sort of values by 32-bit keys: CUB's radix sort, or the standard library's in the emulation.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "cuda/memory.cuh"

#ifdef TOPO_INTERP_EMULATED
#include <algorithm>
#include <numeric>
#else
#include <cub/device/device_radix_sort.cuh>
#endif

namespace topo_interp::cuda {

// Keys and values with as much room again. The sort may leave the entries in either half.
template <class Value>
struct SortBuffers {
  DeviceBuffer<std::uint32_t> keys, other_keys;
  DeviceBuffer<Value> values, other_values;

  explicit SortBuffers(std::int64_t room) : keys(room), other_keys(room), values(room), other_values(room) {}
  static constexpr std::int64_t bytes_each = 2 * (sizeof(std::uint32_t) + sizeof(Value));
};

// Sorts the first `count` entries by the bits of the keys below `bits`; they stand in `keys` and `values` afterwards.
template <class Value>
void sort_by_key(const Execution& on, SortBuffers<Value>& buffers, std::int64_t count, int bits = 32) {
  if (count == 0) return;
#ifdef TOPO_INTERP_EMULATED
  (void)on;
  const std::uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const std::uint32_t* keys = buffers.keys.data();
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (std::int64_t k = 0; k < count; ++k) {
    buffers.other_keys.data()[k] = buffers.keys.data()[order[static_cast<std::size_t>(k)]];
    buffers.other_values.data()[k] = buffers.values.data()[order[static_cast<std::size_t>(k)]];
  }
  std::swap(buffers.keys, buffers.other_keys);
  std::swap(buffers.values, buffers.other_values);
#else
  cub::DoubleBuffer<std::uint32_t> keys(buffers.keys.data(), buffers.other_keys.data());
  cub::DoubleBuffer<Value> values(buffers.values.data(), buffers.other_values.data());
  std::size_t bytes = 0;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, values, count, 0, bits, stream_of(on)), "the sort");
  const DeviceBuffer<char> scratch(static_cast<std::int64_t>(bytes));
  check(cub::DeviceRadixSort::SortPairs(scratch.data(), bytes, keys, values, count, 0, bits, stream_of(on)), "the sort");
  synchronize(on);  // the scratch goes away
  if (keys.Current() != buffers.keys.data()) std::swap(buffers.keys, buffers.other_keys);
  if (values.Current() != buffers.values.data()) std::swap(buffers.values, buffers.other_values);
#endif
}

}  // namespace topo_interp::cuda
