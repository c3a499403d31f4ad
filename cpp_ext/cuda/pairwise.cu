#include "cuda/pairwise.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "cpu/rounding.hpp"
#include "cuda/rounding.cuh"
#include "cuda/tiles.cuh"

namespace topo_interp::cuda {
namespace {

// A panel on its way to the host. Two of them: one is copied to pinned memory while the other is written to where it belongs.
template <class T>
struct Outgoing {
  DeviceBuffer<T> panel;
  PinnedBuffer<T> pinned;
  Event copied;
  std::int64_t rows = 0, cols = 0;  // 0: nothing is on its way
  PanelPlace place{};
  bool mirrored = false;
  explicit Outgoing(std::int64_t side) : panel(side * side), pinned(side * side) {}
};

// Hands panels to `write(place, mirrored, rows, cols, entries, ld)` on the host, one panel behind the device.
template <class T, class Write>
class ToHost {
 public:
  ToHost(std::int64_t side, const Execution& on, Write write) : side_(side), on_(on), write_(std::move(write)) {
    for (int b = 0; b < 2; ++b) buffers_.push_back(std::make_unique<Outgoing<T>>(side));
  }
  // Where the next panel is computed.
  T* next() {
    Outgoing<T>& buffer = *buffers_[static_cast<std::size_t>(turn_)];
    finish(buffer);
    return buffer.panel.data();
  }
  void send(PanelPlace place, bool mirrored, std::int64_t rows, std::int64_t cols) {
    Outgoing<T>& buffer = *buffers_[static_cast<std::size_t>(turn_)];
    copy_rows(on_, buffer.pinned.data(), side_ * bytes, buffer.panel.data(), side_ * bytes, cols * bytes, rows);
    buffer.copied.record(on_);
    buffer.place = place;
    buffer.mirrored = mirrored;
    buffer.rows = rows;
    buffer.cols = cols;
    turn_ ^= 1;
  }
  void finish() {
    for (int b = 0; b < 2; ++b) finish(*buffers_[static_cast<std::size_t>(turn_ ^ b)]);
  }

 private:
  static constexpr std::int64_t bytes = static_cast<std::int64_t>(sizeof(T));
  void finish(Outgoing<T>& buffer) {
    if (buffer.rows == 0) return;
    buffer.copied.wait();
    write_(buffer.place, buffer.mirrored, buffer.rows, buffer.cols, buffer.pinned.data(), side_);
    buffer.rows = 0;
  }
  std::int64_t side_;
  Execution on_;
  Write write_;
  std::vector<std::unique_ptr<Outgoing<T>>> buffers_;
  int turn_ = 0;
};

template <class T>
void symmetric(const GivenPoints& x, MetricKind metric, T* out, bool out_on_device, std::int64_t budget, const Execution& on,
               Control& control) {
  const std::int64_t n = x.rows;
  const MemoryPlan plan = plan_memory(
      {n, prepared_row_bytes<T>(x, metric), static_cast<std::int64_t>(sizeof(T)), out_on_device ? 0 : 2, 0}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on);
  PanelMaker<T> maker(preparation.rules(), on, false);
  const std::int64_t side = cloud.side();
  const auto write = [&](PanelPlace place, bool mirrored, std::int64_t rows, std::int64_t cols, const T* from, std::int64_t ld) {
    const std::int64_t i0 = (mirrored ? place.j : place.i) * side, j0 = (mirrored ? place.i : place.j) * side;
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld, cols, out + (i0 + r) * n + j0);
  };
  std::unique_ptr<ToHost<T, decltype(write)>> host;
  if (!out_on_device) host = std::make_unique<ToHost<T, decltype(write)>>(side, on, write);
  const std::vector<PanelPlace> places = upper_panels(cloud.blocks());
  control.total.store(static_cast<std::int64_t>(places.size()));
  for (const PanelPlace place : places) {
    const Operand<T> a = cloud.block(place.i), b = cloud.block(place.j);
    const bool diagonal = place.i == place.j;
    T* const panel = host ? host->next() : out + place.i * side * n + place.j * side;
    const std::int64_t ld = host ? side : n;
    maker.panel(a, b, diagonal, panel, ld);
    if (diagonal) complete_diagonal(on, panel, a.rows, ld);
    cloud.prefetch(place.j + 1 < cloud.blocks() ? place.j + 1 : place.i + 1);
    if (host) host->send(place, false, a.rows, b.rows);
    if (!diagonal) {
      T* const mirror = host ? host->next() : out + place.j * side * n + place.i * side;
      transpose(on, panel, ld, a.rows, b.rows, mirror, ld);
      if (host) host->send(place, true, b.rows, a.rows);
    }
    if (control.stopped()) break;
    control.done.fetch_add(1, std::memory_order_relaxed);
  }
  if (host) host->finish();
  synchronize(on);
}

template <class T>
void between(const GivenPoints& x, const GivenPoints& y, MetricKind metric, T* out, bool out_on_device, std::int64_t budget,
             const Execution& on, Control& control) {
  const std::int64_t across = y.rows;
  // Only x is ever streamed: the rows of y stay. A caller with two large clouds hands in the smaller one as y.
  const std::int64_t all = budget_of(budget);
  const std::int64_t fixed = y.rows * prepared_row_bytes<T>(y, metric);
  const MemoryPlan plan = plan_memory(
      {x.rows, prepared_row_bytes<T>(x, metric), static_cast<std::int64_t>(sizeof(T)), out_on_device ? 0 : 2, fixed}, all);
  const Preparation<T> preparation({x, y}, metric, on);
  Cloud<T> down(x, preparation, plan.side, plan.streamed, on), right(y, preparation, plan.side, false, on);
  PanelMaker<T> maker(preparation.rules(), on, false);
  const std::int64_t side = plan.side;
  const auto write = [&](PanelPlace place, bool, std::int64_t rows, std::int64_t cols, const T* from, std::int64_t ld) {
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld, cols, out + (place.i * side + r) * across + place.j * side);
  };
  std::unique_ptr<ToHost<T, decltype(write)>> host;
  if (!out_on_device) host = std::make_unique<ToHost<T, decltype(write)>>(side, on, write);
  control.total.store(down.blocks() * right.blocks());
  for (std::int64_t i = 0; i < down.blocks() && !control.stopped(); ++i) {
    for (std::int64_t j = 0; j < right.blocks() && !control.stopped(); ++j) {
      const Operand<T> a = down.block(i), b = right.block(j);
      T* const panel = host ? host->next() : out + i * side * across + j * side;
      maker.panel(a, b, false, panel, host ? side : across);
      if (j == 0) down.prefetch(i + 1);
      if (host) host->send({i, j}, false, a.rows, b.rows);
      control.done.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (host) host->finish();
  synchronize(on);
}

}  // namespace

template <class T>
void pairwise(const GivenPoints& x, const GivenPoints* y, MetricKind metric, T* out, bool out_on_device, std::int64_t budget,
              const Execution& on, Control& control) {
  const DeviceGuard guard(on.device);
  if (y) {
    between(x, *y, metric, out, out_on_device, budget, on, control);
  } else {
    symmetric(x, metric, out, out_on_device, budget, on, control);
  }
}

template <class T>
double condensed(const GivenPoints& x, MetricKind metric, float* out, std::int64_t budget, const Execution& on, Control& control) {
  const DeviceGuard guard(on.device);
  const std::int64_t n = x.rows;
  const MemoryPlan plan =
      plan_memory({n, prepared_row_bytes<T>(x, metric), static_cast<std::int64_t>(sizeof(T)), 2, 0}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on);
  PanelMaker<T> maker(preparation.rules(), on, true);
  const std::int64_t side = cloud.side();
  const auto write = [&](PanelPlace place, bool, std::int64_t rows, std::int64_t cols, const T* from, std::int64_t ld) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = place.i * side + r, first = std::max(place.j * side, i + 1);
      const T* entries = from + r * ld - place.j * side;
      float* to = out + i * (2 * n - i - 1) / 2 - i - 1;
      for (std::int64_t j = first; j < place.j * side + cols; ++j) to[j] = static_cast<float>(entries[j]);
    }
  };
  ToHost<T, decltype(write)> host(side, on, write);
  const std::vector<PanelPlace> places = upper_panels(cloud.blocks());
  control.total.store(static_cast<std::int64_t>(places.size()));
  for (const PanelPlace place : places) {
    const Operand<T> a = cloud.block(place.i), b = cloud.block(place.j);
    maker.panel(a, b, place.i == place.j, host.next(), side);
    cloud.prefetch(place.j + 1 < cloud.blocks() ? place.j + 1 : place.i + 1);
    host.send(place, false, a.rows, b.rows);
    if (control.stopped()) break;
    control.done.fetch_add(1, std::memory_order_relaxed);
  }
  host.finish();
  const DeviceStats stats = maker.stats();
  // Wider entries are rounded once more, to float32.
  const double narrowing = sizeof(T) == sizeof(float) ? 0 : 0x1p-24 * stats.largest + 0x1p-150;
  return proved_rounding(preparation, stats) + narrowing;
}

template void pairwise(const GivenPoints&, const GivenPoints*, MetricKind, float*, bool, std::int64_t, const Execution&, Control&);
template void pairwise(const GivenPoints&, const GivenPoints*, MetricKind, double*, bool, std::int64_t, const Execution&, Control&);
template double condensed<float>(const GivenPoints&, MetricKind, float*, std::int64_t, const Execution&, Control&);
template double condensed<double>(const GivenPoints&, MetricKind, float*, std::int64_t, const Execution&, Control&);

}  // namespace topo_interp::cuda
