// What the bindings of both modules do with arrays.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bind_control.hpp"

namespace topo_interp {

using Rows = nanobind::ndarray<const std::int64_t, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

inline void require(bool fits, const char* message) {
  if (!fits) throw std::invalid_argument(message);
}

// Gives a vector's memory to a numpy array, whose items are parts of the vector's where T is given.
template <class Item, class T = Item>
nanobind::ndarray<nanobind::numpy, T> to_numpy(std::vector<Item>&& values, std::vector<std::size_t> shape) {
  static_assert(sizeof(Item) % sizeof(T) == 0);
  auto owned = std::make_unique<std::vector<Item>>(std::move(values));
  T* data = reinterpret_cast<T*>(owned->data());
  nanobind::capsule owner(owned.get(), [](void* p) noexcept { delete static_cast<std::vector<Item>*>(p); });
  (void)owned.release();
  return nanobind::ndarray<nanobind::numpy, T>(data, shape.size(), shape.data(), owner);
}
template <class T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(std::vector<T>&& values) {
  const std::size_t size = values.size();
  return to_numpy(std::move(values), {size});
}

// Row numbers as the kernels take them.
inline std::vector<std::int32_t> checked_rows(const Rows& rows, std::int64_t n) {
  require_aligned(rows);
  std::vector<std::int32_t> out(rows.shape(0));
  for (std::size_t i = 0; i < out.size(); ++i) {
    require(rows.data()[i] >= 0 && rows.data()[i] < n, "an index leaves the rows");
    out[i] = static_cast<std::int32_t>(rows.data()[i]);
  }
  return out;
}

inline int thread_count(int threads) {
  require(threads >= 1, "threads is at least 1");
  return std::min(threads, most_threads);
}

}  // namespace topo_interp
