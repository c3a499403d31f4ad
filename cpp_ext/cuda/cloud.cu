#include "cuda/cloud.cuh"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cuda/cloud_kernels.cuh"

namespace topo_interp::cuda {

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
Cloud<T>::Cloud(const GivenPoints& points, const Preparation<T>& preparation, std::int64_t side, bool streamed, const Execution& on,
                const Control& control)
    : points_(points),
      preparation_(preparation),
      side_(side),
      streamed_(streamed && pieces(points.rows, side) > 3),
      on_(on),
      control_(control),
      offset_(offset_of(points, on)) {
  const TileRules& rules = preparation.rules();
  const std::int64_t slots = streamed_ ? 3 : blocks();
  if (streamed_) copies_ = std::make_unique<CopyStream>(on_.device);
  const bool hamming = rules.metric == MetricKind::hamming;
  for (std::int64_t s = 0; s < slots; ++s) {
    slots_.push_back(std::make_unique<Slot>());
    Slot& slot = *slots_.back();
    const std::int64_t room = streamed_ ? side_ : rows_of(s);
    if (!points_.is_read_in_place(sizeof(T))) slot.given = DeviceBuffer<T>(room * rules.cols);
    if (hamming) {
      slot.bits = DeviceBuffer<Count>(room * rules.words);
    } else {
      slot.packed = DeviceBuffer<T>(room * rules.pitch);
      if (device::is_product(rules.metric)) slot.norms = DeviceBuffer<double>(room);
    }
    if (preparation.unit_rows()) {
      slot.scale = DeviceBuffer<double>(room);
      slot.shift = DeviceBuffer<double>(room);
    }
    if (streamed_ && !points_.on_device) slot.staging = PinnedBuffer<char>(room * points_.cols * item_size(points_.item));
  }
  if (streamed_) return;
  for (std::int64_t s = 0; s < slots; ++s) {
    Slot& slot = *slots_[static_cast<std::size_t>(s)];
    load(slot, s);
    if (control_.stopped()) throw Interrupted();
    // 16-bit rows have been widened; their memory must not stay beside that of all other blocks.
    if (slot.raw.size() == 0) continue;
    synchronize(on_);
    slot.raw = {};
  }
}

template <class T>
void Cloud<T>::load(Slot& slot, std::int64_t index) {
  const Execution on = streamed_ ? copies_->on() : on_;
  const TileRules& rules = preparation_.rules();
  const std::int64_t rows = rows_of(index), cols = points_.cols, item = item_size(points_.item);
  const char* from = static_cast<const char*>(points_.data) + first_row(index) * points_.row_stride * item;
  if (streamed_) {  // what was queued may still read this slot
    slot.idle.record(on_);
    slot.idle.hold_back(on);
  }
  const T* given = slot.given.data();
  std::int64_t stride = cols;
  if (points_.is_read_in_place(sizeof(T))) {
    given = reinterpret_cast<const T*>(from);
    stride = points_.row_stride;
  } else if (points_.on_device) {
    take(on, from, points_.item, points_.row_stride, rows, cols, slot.given.data(), rows, false, nullptr);
  } else {
    const bool wide = item == static_cast<std::int64_t>(sizeof(T));
    if (!wide && slot.raw.size() == 0) slot.raw = DeviceBuffer<char>((streamed_ ? side_ : rows) * cols * item);
    char* to = wide ? reinterpret_cast<char*>(slot.given.data()) : slot.raw.data();
    const std::int64_t width = cols * item, pitch = points_.row_stride * item;
    if (streamed_) {
      if (slot.in_flight) slot.staged.wait();
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(slot.staging.data() + r * width, from + r * pitch, static_cast<std::size_t>(width));
      copy(on, to, slot.staging.data(), rows * width);
      slot.staged.record(on);
      slot.in_flight = true;
    } else {
      in_slices(rows, width, control_, [&](std::int64_t first, std::int64_t count) {
        copy_rows(on, to + first * width, width, from + first * pitch, pitch, width, count);
        synchronize(on);
      });
    }
    if (!wide) take(on, slot.raw.data(), points_.item, cols, rows, cols, slot.given.data(), rows, false, offset_.data());
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
Operand<T> ChosenRows<T>::choose(Cloud<T>& cloud, const std::vector<std::int32_t>& rows) {
  const Execution& on = cloud.on();
  const TileRules& rules = cloud.preparation().rules();
  const auto count = static_cast<std::int64_t>(rows.size());
  copy(on, list_.data(), rows.data(), count);
  for (std::int64_t b = 0; b < cloud.blocks(); ++b) {
    const std::int64_t first = cloud.first_row(b), last = first + cloud.rows_of(b);
    if (std::none_of(rows.begin(), rows.end(), [&](std::int32_t row) { return row >= first && row < last; })) continue;
    const Operand<T> from = cloud.block(b);
    const auto gather = [&](const auto* source, std::int64_t stride, std::int64_t width, auto& to) {
      using E = std::decay_t<decltype(*source)>;
      if (!source || width == 0) return;
      if (to.size() == 0) to = DeviceBuffer<E>(list_.size() * width);
      launch(on, count, Gather<E>{list_.data(), first, from.rows, source, stride, width, to.data()});
    };
    gather(from.packed, rules.pitch, rules.pitch, packed_);
    gather(from.given, from.given_stride, rules.cols, given_);
    gather(from.squared_norms, 1, 1, norms_);
    gather(from.scale, 1, 1, scale_);
    gather(from.shift, 1, 1, shift_);
    gather(from.bits, rules.words, rules.words, bits_);
  }
  synchronize(on);  // `rows` may go away
  return {packed_.data(), norms_.data(), given_.data(), rules.cols, scale_.data(), shift_.data(), bits_.data(), count};
}

template class Cloud<float>;
template class Cloud<double>;
template class ChosenRows<float>;
template class ChosenRows<double>;

}  // namespace topo_interp::cuda
