// What is done to the rows of a cloud before distances: reading, checking, centering, packing.
#pragma once
#include <cmath>
#include <cstdint>

#include "cuda/cloud.cuh"

namespace topo_interp::cuda {

struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};

TOPO_INTERP_HD float float_of(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
TOPO_INTERP_HD float widened(Bfloat value) { return float_of(static_cast<std::uint32_t>(value.bits) << 16); }
TOPO_INTERP_HD float widened(Half value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000) << 16, rest = value.bits & 0x7fff;
  if (rest >= 0x7c00) return float_of(sign | 0x7f800000 | (rest & 0x3ff) << 13);  // infinity, NaN
  if (rest >= 0x0400) return float_of(sign | ((rest << 13) + (112u << 23)));
  const float magnitude = static_cast<float>(rest) * 5.9604644775390625e-08f;  // subnormal: rest 2^-24
  return sign ? -magnitude : magnitude;
}
TOPO_INTERP_HD float widened(float value) { return value; }
TOPO_INTERP_HD double widened(double value) { return value; }

inline constexpr int kThreads = 256;

// Rows [0, count) of `to` are those of `from`, or scattered ones of it, as T.
template <class From, class T>
struct Take {
  static constexpr int threads = kThreads;
  using Shared = Nothing;
  using State = Nothing;
  const From* from;
  std::int64_t from_stride, from_rows, cols;
  T* to;
  std::int64_t to_stride;
  bool scattered;
  const float* offset;  // to be added to 16-bit rows; or null
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {  // a block for each row
    block.each([&](int thread, auto&) {
      const From* row = from + (scattered ? scattered_row(block.index, from_rows) : block.index) * from_stride;
      for (std::int64_t k = thread; k < cols; k += threads) {
        auto value = widened(row[k]);
        if constexpr (sizeof(From) == 2)
          if (offset) value += offset[k];
        to[block.index * to_stride + k] = static_cast<T>(value);
      }
    });
  }
};

template <class T>
void take(const Execution& on, const void* from, Item item, std::int64_t stride, std::int64_t from_rows, std::int64_t cols, T* to,
          std::int64_t count, bool scattered, const float* offset) {
  const auto go = [&](auto sample) {
    using From = decltype(sample);
    launch(on, count, Take<From, T>{static_cast<const From*>(from), stride, from_rows, cols, to, cols, scattered, offset});
  };
  if constexpr (sizeof(T) == sizeof(double)) {
    go(double{});
  } else {
    switch (item) {
      case Item::float16: go(Half{}); break;
      case Item::bfloat16: go(Bfloat{}); break;
      default: go(float{}); break;
    }
  }
}

// Sums over a block of threads, each of its `Values` in one order whatever the machine does: halves are added pairwise.
template <int Values, class Block>
TOPO_INTERP_HD void sum_over_threads(Block& block, double (*sums)[kThreads]) {
  for (int half = kThreads / 2; half > 0; half /= 2)
    block.each([&](int thread, auto&) {
      if (thread < half)
        for (int v = 0; v < Values; ++v) sums[v][thread] += sums[v][thread + half];
    });
}

// The length of every row, and for correlation the mean that is removed before.
template <class T>
struct MeasureRows {
  static constexpr int threads = kThreads;
  struct Shared {
    double sums[1][kThreads];
    double mean;
  };
  using State = Nothing;
  const T* rows;
  std::int64_t stride, cols;
  bool centered;
  double *scale, *shift;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const T* row = rows + block.index * stride;
    Shared& shared = block.shared;
    block.each([&](int thread, auto&) {
      if (thread == 0) shared.mean = 0;
    });
    for (int pass = centered ? 0 : 2; pass < 3; ++pass) {  // mean, its correction, squares
      block.each([&](int thread, auto&) {
        double sum = 0;
        for (std::int64_t k = thread; k < cols; k += threads) {
          const double entry = static_cast<double>(row[k]) - shared.mean;
          sum += pass < 2 ? entry : entry * entry;
        }
        shared.sums[0][thread] = sum;
      });
      sum_over_threads<1>(block, shared.sums);
      block.each([&](int thread, auto&) {
        if (thread != 0) return;
        if (pass < 2) {  // the mean of what is left takes the rounding of the first sum away
          shared.mean += shared.sums[0][0] / static_cast<double>(cols);
        } else {
          scale[block.index] = 1 / ::sqrt(shared.sums[0][0]);
          shift[block.index] = shared.mean;
        }
      });
    }
  }
};

// Exponent of the lowest set bit, so that the value is an odd multiple of 2^exponent, and of the highest; of nothing subnormal.
TOPO_INTERP_HD void bit_span(double value, int* low, int* high) {
  const Count bits = bits_of(value);
  Count mantissa = (bits & ((Count{1} << 52) - 1)) | Count{1} << 52;
  const int exponent = static_cast<int>(bits >> 52 & 2047);
  int zeros = 0;
  for (; !(mantissa & 1); mantissa >>= 1) ++zeros;
  *low = least(*low, exponent - 1075 + zeros);
  *high = most(*high, exponent - 1023);
}

// Center and spread of each column over the sampled rows; a thread for each column.
template <class T>
struct Center {
  static constexpr int threads = kThreads;
  using Shared = Nothing;
  using State = Nothing;
  const T* sample;
  std::int64_t count, cols;
  const double *scale, *shift;  // of the sampled rows, or null
  double *center, *spread;
  TOPO_INTERP_HD double entry(std::int64_t r, std::int64_t k) const {
    const double value = static_cast<double>(sample[r * cols + k]);
    return scale ? (value - shift[r]) * scale[r] : value;
  }
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    block.each([&](int thread, auto&) {
      const std::int64_t k = block.index * threads + thread;
      if (k >= cols) return;
      constexpr int none = 1 << 30;
      int low = none, high = -none;
      double mean = 0, squares = 0;
      for (std::int64_t r = 0; r < count; ++r) {
        const double value = entry(r, k);
        mean += value;
        if (!scale && value != 0) bit_span(value, &low, &high);
      }
      mean /= static_cast<double>(count);
      if (!scale && low != none && high - low <= lattice_bits) mean = ::ldexp(::nearbyint(::ldexp(mean, -low)), low);
      mean = static_cast<double>(static_cast<T>(mean));
      for (std::int64_t r = 0; r < count; ++r) {
        const double off = entry(r, k) - mean;
        squares += off * off;
      }
      center[k] = mean;
      spread[k] = squares;
    });
  }
};

// Packed rows and their squared norms; a block for each row.
template <class T>
struct Pack {
  static constexpr int threads = kThreads;
  struct Shared {
    double sums[1][kThreads];
  };
  using State = Nothing;
  const T* rows;
  std::int64_t stride, cols, pitch;
  const double *scale, *shift, *center;
  const std::int32_t* order;
  T* packed;
  double* squared_norms;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const T* row = rows + block.index * stride;
    T* to = packed + block.index * pitch;
    block.each([&](int thread, auto&) {
      double sum = 0;
      for (std::int64_t k = thread; k < pitch; k += threads) {
        T value = 0;
        if (k < cols) {
          const T given = row[order ? order[k] : k];
          if (scale)
            value = static_cast<T>((static_cast<double>(given) - shift[block.index]) * scale[block.index] - center[k]);
          else
            value = center ? given - static_cast<T>(center[k]) : given;
        }
        to[k] = value;
        sum += static_cast<double>(value) * static_cast<double>(value);
      }
      block.shared.sums[0][thread] = sum;
    });
    if (!squared_norms) return;  // only products need them
    sum_over_threads<1>(block, block.shared.sums);
    block.each([&](int thread, auto&) {
      if (thread == 0) squared_norms[block.index] = block.shared.sums[0][0];
    });
  }
};

// Sign patterns, 64 coordinates to a word; a block for each row.
template <class T>
struct Signs {
  static constexpr int threads = 64;
  using Shared = Nothing;
  using State = Nothing;
  const T* rows;
  std::int64_t stride, cols, words;
  Count* bits;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const T* row = rows + block.index * stride;
    block.each([&](int thread, auto&) {
      for (std::int64_t w = thread; w < words; w += threads) {
        Count word = 0;
        for (std::int64_t k = w * 64; k < least(cols, w * 64 + 64); ++k) word |= static_cast<Count>(row[k] > 0) << (k - w * 64);
        bits[block.index * words + w] = word;
      }
    });
  }
};

// Row list[e] - first of one block of a cloud to row e, where it lies in that block.
template <class E>
struct Gather {
  static constexpr int threads = kThreads;
  using Shared = Nothing;
  using State = Nothing;
  const std::int32_t* list;
  std::int64_t first, rows;
  const E* from;
  std::int64_t from_stride, width;
  E* to;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const std::int64_t row = list[block.index] - first;
    if (row < 0 || row >= rows) return;
    block.each([&](int thread, auto&) {
      for (std::int64_t k = thread; k < width; k += threads) to[block.index * width + k] = from[row * from_stride + k];
    });
  }
};

// What is to be known of a row before it is used; a block for each row.
template <class From>
struct CheckRows {
  static constexpr int threads = kThreads;
  struct Shared {
    double largest;
    int flags;  // 1: an entry is not finite, 2: one is not zero, 4: one differs from the first
  };
  using State = Nothing;
  const From* rows;
  std::int64_t stride, cols;
  std::uint8_t* flags;
  double* largest;  // of all rows
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    const From* row = rows + block.index * stride;
    Shared& shared = block.shared;
    block.each([&](int thread, auto&) {
      if (thread != 0) return;
      shared.largest = 0;
      shared.flags = 0;
    });
    block.each([&](int thread, auto&) {
      int seen = 0;
      double most_here = 0;
      const auto first = widened(row[0]);
      for (std::int64_t k = thread; k < cols; k += threads) {
        const auto value = widened(row[k]);
        const double size = ::fabs(static_cast<double>(value));
        if (!(size <= 1.7976931348623157e308)) seen |= 1;
        if (value != 0) seen |= 2;
        if (value != first) seen |= 4;
        if (size <= 1.7976931348623157e308 && size > most_here) most_here = size;
      }
      atomic_max_double(&shared.largest, most_here);
      if (seen) atomic_or(&shared.flags, seen);
    });
    block.each([&](int thread, auto&) {
      if (thread != 0) return;
      flags[block.index] = static_cast<std::uint8_t>(shared.flags);
      atomic_max_double(largest, shared.largest);
    });
  }
};

}  // namespace topo_interp::cuda
