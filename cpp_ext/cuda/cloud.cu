#include "cuda/cloud.cuh"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace topo_interp::cuda {
namespace {

// ---- reading rows -----------------------------------------------------------------------------------------------------------

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

constexpr int kThreads = 256;

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
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {  // a block for each row
    block.each([&](int thread, auto&) {
      const From* row = from + (scattered ? scattered_row(block.index, from_rows) : block.index) * from_stride;
      for (std::int64_t k = thread; k < cols; k += threads) to[block.index * to_stride + k] = static_cast<T>(widened(row[k]));
    });
  }
};

template <class T>
void take(const Execution& on, const void* from, Item item, std::int64_t stride, std::int64_t from_rows, std::int64_t cols, T* to,
          std::int64_t count, bool scattered) {
  const auto go = [&](auto sample) {
    using From = decltype(sample);
    launch(on, count, Take<From, T>{static_cast<const From*>(from), stride, from_rows, cols, to, cols, scattered});
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
    if (!squared_norms) return;
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

// As on the CPU (cpu/pairwise.cpp, chain_length), in whole slices of the tile kernel.
template <class T>
std::int64_t chain_length(bool products, std::int64_t cols) {
  if (sizeof(T) == sizeof(double)) return 256;
  if (!products) return 32;
  const auto length = static_cast<std::int64_t>(2 * std::sqrt(static_cast<double>(cols)) / 16 + 1) * 16;
  return std::clamp<std::int64_t>(length, 16, 128);
}

constexpr std::int64_t pitch_of(std::int64_t cols) { return (cols + 15) / 16 * 16; }

bool given_is_read_in_place(const GivenPoints& points, std::int64_t item) {
  return points.on_device && item_size(points.item) == item;
}

// `count` rows from `first` on, or scattered ones, in memory of the device as they were given.
DeviceBuffer<char> raw_rows(const Execution& on, const GivenPoints& points, std::int64_t count, bool scattered) {
  const std::int64_t width = points.cols * item_size(points.item);
  std::vector<char> rows(static_cast<std::size_t>(count * width));
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t row = scattered ? scattered_row(r, points.rows) : r;
    std::memcpy(rows.data() + r * width, static_cast<const char*>(points.data) + row * points.row_stride * item_size(points.item),
                static_cast<std::size_t>(width));
  }
  return to_device(on, rows.data(), count * width);
}

}  // namespace

MemoryPlan plan_memory(const MemoryNeeds& needs, std::int64_t budget) {
  constexpr std::int64_t sides[] = {8192, 4096, 2048, 1024, 512, 256, 128};
  std::int64_t smallest = 0;
  for (const bool streamed : {false, true}) {
    for (const std::int64_t side : sides) {
      if (side > 128 && side / 2 >= needs.rows) continue;  // larger than the cloud
      const std::int64_t rows = streamed ? std::min(needs.rows, 3 * side) : needs.rows;
      const std::int64_t bytes = needs.fixed + rows * needs.row_bytes + needs.tiles * side * side * needs.entry_bytes;
      if (bytes <= budget) {
        // Small tiles waste the device; where they are all that fits beside the cloud, half of it elsewhere is the better deal.
        if (!streamed && side < 1024 && needs.rows > 4 * side) continue;
        return {side, streamed, bytes};
      }
      smallest = bytes;
    }
  }
  throw OutOfMemory(smallest, budget);
}

RowChecks check_rows(const GivenPoints& points, const Execution& on) {
  DeviceBuffer<std::uint8_t> flags(points.rows);
  DeviceBuffer<double> largest(1);
  fill_bytes(on, largest.data(), 0, 1);
  const auto go = [&](auto sample) {
    using From = decltype(sample);
    launch(on, points.rows,
           CheckRows<From>{static_cast<const From*>(points.data), points.row_stride, points.cols, flags.data(), largest.data()});
  };
  switch (points.item) {
    case Item::float16: go(Half{}); break;
    case Item::bfloat16: go(Bfloat{}); break;
    case Item::float32: go(float{}); break;
    case Item::float64: go(double{}); break;
  }
  return {to_host(on, flags.data(), points.rows), to_host(on, largest.data(), 1)[0]};
}

std::int64_t budget_of(std::int64_t asked) {
  const std::int64_t there = free_device_bytes() / 20 * 19;  // the runtime takes some for itself
  return asked > 0 ? std::min(asked, there) : there;
}

template <class T>
std::int64_t prepared_row_bytes(const GivenPoints& points, MetricKind metric) {
  const auto size = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t given = given_is_read_in_place(points, size) ? 0 : points.cols * size;
  if (metric == MetricKind::hamming) return given + pieces(points.cols, 64) * 8;
  return given + pitch_of(points.cols) * size + 3 * 8;
}

template <class T>
Preparation<T>::Preparation(const std::vector<GivenPoints>& clouds, MetricKind metric, const Execution& on) {
  const std::int64_t cols = clouds.front().cols;
  const bool products = device::is_product(metric);
  rules_ = {metric, cols, pitch_of(cols), pieces(cols, 64), chain_length<T>(products, cols), recompute_share<T>, least_square<T>(cols)};
  if (!products) return;
  facts_ = device::with_product(metric, [](auto kind) { return device::facts_of<decltype(kind)>(); });
  std::int64_t count = 0;
  for (const GivenPoints& points : clouds) count += std::min(points.rows, center_rows);
  DeviceBuffer<T> sample(count * cols);
  std::int64_t at = 0;
  for (const GivenPoints& points : clouds) {
    const std::int64_t rows = std::min(points.rows, center_rows);
    const bool scattered = rows < points.rows;
    if (points.on_device) {
      take(on, points.data, points.item, points.row_stride, points.rows, cols, sample.data() + at * cols, rows, scattered);
    } else {
      const DeviceBuffer<char> raw = raw_rows(on, points, rows, scattered);
      take(on, raw.data(), points.item, cols, rows, cols, sample.data() + at * cols, rows, false);
      synchronize(on);
    }
    at += rows;
  }
  DeviceBuffer<double> scale, shift, spread(cols);
  if (facts_.unit_rows) {
    scale = DeviceBuffer<double>(count);
    shift = DeviceBuffer<double>(count);
    launch(on, count, MeasureRows<T>{sample.data(), cols, cols, facts_.centered_rows, scale.data(), shift.data()});
  }
  center_ = DeviceBuffer<double>(cols);
  launch(on, pieces(cols, Center<T>::threads),
         Center<T>{sample.data(), count, cols, scale.data(), shift.data(), center_.data(), spread.data()});
  if (sizeof(T) == sizeof(double)) {
    synchronize(on);
    return;
  }
  // Where few coordinates carry most of the spread they are summed last, so that all the others meet small sums.
  const std::vector<double> spreads = to_host(on, spread.data(), cols);
  const double largest = *std::max_element(spreads.begin(), spreads.end());
  const double mean = std::accumulate(spreads.begin(), spreads.end(), 0.0) / static_cast<double>(cols);
  if (!(largest > uneven_spread * mean)) return;
  std::vector<std::int32_t> order(static_cast<std::size_t>(cols));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return spreads[static_cast<std::size_t>(a)] < spreads[static_cast<std::size_t>(b)];
  });
  const std::vector<double> centers = to_host(on, center_.data(), cols);
  std::vector<double> ordered(order.size());
  for (std::size_t k = 0; k < order.size(); ++k) ordered[k] = centers[static_cast<std::size_t>(order[k])];
  copy(on, center_.data(), ordered.data(), cols);
  order_ = to_device(on, order.data(), cols);
}

// The memory of one block, and which block is in it.
template <class T>
struct Cloud<T>::Slot {
  std::int64_t block = -1, used = -1;
  DeviceBuffer<char> raw;  // 16-bit rows before they are widened
  DeviceBuffer<T> given, packed;
  DeviceBuffer<double> norms, scale, shift;
  DeviceBuffer<Count> bits;
  PinnedBuffer<char> staging;
  Event staged, ready, idle;
  bool in_flight = false;  // `staging` is being read
  Operand<T> operand{};
};

template <class T>
Cloud<T>::~Cloud() = default;

template <class T>
Cloud<T>::Cloud(const GivenPoints& points, const Preparation<T>& preparation, std::int64_t side, bool streamed, const Execution& on)
    : points_(points), preparation_(preparation), side_(side), streamed_(streamed && pieces(points.rows, side) > 3), on_(on) {
  const TileRules& rules = preparation.rules();
  const std::int64_t slots = streamed_ ? 3 : blocks();
  if (streamed_) copies_ = std::make_unique<CopyStream>();
  const bool hamming = rules.metric == MetricKind::hamming;
  for (std::int64_t s = 0; s < slots; ++s) {
    slots_.push_back(std::make_unique<Slot>());
    Slot& slot = *slots_.back();
    const std::int64_t room = streamed_ ? side_ : rows_of(s);
    if (!given_is_read_in_place(points_, sizeof(T))) slot.given = DeviceBuffer<T>(room * rules.cols);
    if (hamming) {
      slot.bits = DeviceBuffer<Count>(room * rules.words);
    } else {
      slot.packed = DeviceBuffer<T>(room * rules.pitch);
      slot.norms = DeviceBuffer<double>(room);
    }
    if (preparation.unit_rows()) {
      slot.scale = DeviceBuffer<double>(room);
      slot.shift = DeviceBuffer<double>(room);
    }
    if (streamed_ && !points_.on_device) slot.staging = PinnedBuffer<char>(room * points_.cols * item_size(points_.item));
  }
  if (streamed_) return;
  for (std::int64_t s = 0; s < slots; ++s) {
    load(*slots_[static_cast<std::size_t>(s)], s);
    // 16-bit rows have been widened; their memory must not stay beside that of all other blocks.
    if (slots_[static_cast<std::size_t>(s)]->raw.size()) {
      synchronize(on_);
      slots_[static_cast<std::size_t>(s)]->raw = {};
    }
  }
}

template <class T>
void Cloud<T>::load(Slot& slot, std::int64_t index) {
  const Execution on = streamed_ ? copies_->on(on_.device) : on_;
  const TileRules& rules = preparation_.rules();
  const std::int64_t rows = rows_of(index), cols = points_.cols, item = item_size(points_.item);
  const char* from = static_cast<const char*>(points_.data) + first_row(index) * points_.row_stride * item;
  if (streamed_) {  // what was queued may still read this slot
    slot.idle.record(on_);
    slot.idle.hold_back(on);
  }
  const T* given = slot.given.data();
  std::int64_t stride = cols;
  if (given_is_read_in_place(points_, sizeof(T))) {
    given = reinterpret_cast<const T*>(from);
    stride = points_.row_stride;
  } else if (points_.on_device) {
    take(on, from, points_.item, points_.row_stride, rows, cols, slot.given.data(), rows, false);
  } else {
    const bool wide = item == static_cast<std::int64_t>(sizeof(T));
    if (!wide && slot.raw.size() == 0) slot.raw = DeviceBuffer<char>((streamed_ ? side_ : rows) * cols * item);
    char* to = wide ? reinterpret_cast<char*>(slot.given.data()) : slot.raw.data();
    if (streamed_) {
      if (slot.in_flight) slot.staged.wait();
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(slot.staging.data() + r * cols * item, from + r * points_.row_stride * item, static_cast<std::size_t>(cols * item));
      copy(on, to, slot.staging.data(), rows * cols * item);
      slot.staged.record(on);
      slot.in_flight = true;
    } else {
      copy_rows(on, to, cols * item, from, points_.row_stride * item, cols * item, rows);
    }
    if (!wide) take(on, slot.raw.data(), points_.item, cols, rows, cols, slot.given.data(), rows, false);
  }
  if (rules.metric == MetricKind::hamming) {
    launch(on, rows, Signs<T>{given, stride, cols, rules.words, slot.bits.data()});
  } else {
    if (preparation_.unit_rows())
      launch(on, rows, MeasureRows<T>{given, stride, cols, preparation_.centered_rows(), slot.scale.data(), slot.shift.data()});
    launch(on, rows, Pack<T>{given, stride, cols, rules.pitch, slot.scale.data(), slot.shift.data(), preparation_.center(),
                             preparation_.order(), slot.packed.data(), slot.norms.data()});
  }
  if (streamed_) slot.ready.record(on);
  slot.block = index;
  slot.operand = {slot.packed.data(), slot.norms.data(), given, stride, slot.scale.data(), slot.shift.data(), slot.bits.data(), rows};
}

template <class T>
typename Cloud<T>::Slot& Cloud<T>::slot_of(std::int64_t index) {
  Slot* oldest = nullptr;
  for (auto& slot : slots_) {
    if (slot->block == index) return *slot;
    if (!oldest || slot->used < oldest->used) oldest = slot.get();
  }
  load(*oldest, index);
  return *oldest;
}

template <class T>
Operand<T> Cloud<T>::block(std::int64_t index) {
  if (!streamed_) return slots_[static_cast<std::size_t>(index)]->operand;
  Slot& slot = slot_of(index);
  slot.used = ++clock_;
  slot.ready.hold_back(on_);
  return slot.operand;
}

template <class T>
void Cloud<T>::prefetch(std::int64_t index) {
  if (streamed_ && index < blocks()) slot_of(index).used = ++clock_;
}

template <class T>
ChosenRows<T>::ChosenRows(Cloud<T>& cloud, const std::vector<std::int32_t>& rows) {
  const Execution& on = cloud.on();
  const TileRules& rules = cloud.preparation().rules();
  const auto count = static_cast<std::int64_t>(rows.size());
  const DeviceBuffer<std::int32_t> list = to_device(on, rows.data(), count);
  for (std::int64_t b = 0; b < cloud.blocks(); ++b) {
    const Operand<T> from = cloud.block(b);
    const auto gather = [&](const auto* source, std::int64_t stride, std::int64_t width, auto& to) {
      using E = std::decay_t<decltype(*source)>;
      if (!source || width == 0) return;
      if (to.size() == 0) to = DeviceBuffer<E>(count * width);
      launch(on, count, Gather<E>{list.data(), cloud.first_row(b), from.rows, source, stride, width, to.data()});
    };
    gather(from.packed, rules.pitch, rules.pitch, packed_);
    gather(from.given, from.given_stride, rules.cols, given_);
    gather(from.squared_norms, 1, 1, norms_);
    gather(from.scale, 1, 1, scale_);
    gather(from.shift, 1, 1, shift_);
    gather(from.bits, rules.words, rules.words, bits_);
  }
  synchronize(on);  // `list` goes away
  operand_ = {packed_.data(), norms_.data(), given_.data(), rules.cols, scale_.data(), shift_.data(), bits_.data(), count};
}

template std::int64_t prepared_row_bytes<float>(const GivenPoints&, MetricKind);
template std::int64_t prepared_row_bytes<double>(const GivenPoints&, MetricKind);
template class Preparation<float>;
template class Preparation<double>;
template class Cloud<float>;
template class Cloud<double>;
template class ChosenRows<float>;
template class ChosenRows<double>;

}  // namespace topo_interp::cuda
