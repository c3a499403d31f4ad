#include "cuda/pairwise.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

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
  std::int64_t first_row = 0, first_col = 0, rows = 0, cols = 0;  // no rows: nothing is on its way
  explicit Outgoing(std::int64_t size) : panel(size), pinned(size) {}
};

// Hands panels of up to height x width to `write(first_row, first_col, rows, cols, entries, width)` on the host, one panel behind
// the device.
template <class T, class Write>
class ToHost {
 public:
  ToHost(std::int64_t height, std::int64_t width, const Execution& on, Write write)
      : width_(width), on_(on), write_(std::move(write)) {
    for (int b = 0; b < 2; ++b) buffers_.push_back(std::make_unique<Outgoing<T>>(height * width));
  }
  ~ToHost() { machine::drain(on_); }  // after an error copies may still be on their way
  ToHost(const ToHost&) = delete;
  ToHost& operator=(const ToHost&) = delete;

  // Where the next panel is computed.
  T* next() {
    Outgoing<T>& buffer = *buffers_[static_cast<std::size_t>(turn_)];
    finish(buffer);
    return buffer.panel.data();
  }
  void send(std::int64_t first_row, std::int64_t first_col, std::int64_t rows, std::int64_t cols) {
    Outgoing<T>& buffer = *buffers_[static_cast<std::size_t>(turn_)];
    copy_rows(on_, buffer.pinned.data(), width_ * bytes, buffer.panel.data(), width_ * bytes, cols * bytes, rows);
    buffer.copied.record(on_);
    buffer.first_row = first_row;
    buffer.first_col = first_col;
    buffer.rows = rows;
    buffer.cols = cols;
    turn_ ^= 1;
  }
  void finish() {
    for (int b = 0; b < 2; ++b) finish(*buffers_[static_cast<std::size_t>(turn_ ^ b)]);
  }

 private:
  static constexpr auto bytes = static_cast<std::int64_t>(sizeof(T));
  void finish(Outgoing<T>& buffer) {
    if (buffer.rows == 0) return;
    buffer.copied.wait();
    write_(buffer.first_row, buffer.first_col, buffer.rows, buffer.cols, buffer.pinned.data(), width_);
    buffer.rows = 0;
  }
  const std::int64_t width_;
  const Execution on_;
  Write write_;
  std::vector<std::unique_ptr<Outgoing<T>>> buffers_;
  int turn_ = 0;
};

// Writes panels into rows of `across` entries.
template <class T>
auto into_rows(T* out, std::int64_t across) {
  return [=](std::int64_t i0, std::int64_t j0, std::int64_t rows, std::int64_t cols, const T* from, std::int64_t ld) {
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld, cols, out + (i0 + r) * across + j0);
  };
}

// Where panels of one computation go: to the host, or straight to where they belong.
template <class T>
using RowsOnHost = std::unique_ptr<ToHost<T, decltype(into_rows<T>(nullptr, 0))>>;
template <class T>
RowsOnHost<T> rows_on_host(std::int64_t height, std::int64_t width, const Execution& on, T* out, std::int64_t across) {
  return std::make_unique<typename RowsOnHost<T>::element_type>(height, width, on, into_rows(out, across));
}

template <class T>
void symmetric(const GivenPoints& x, MetricKind metric, T* out, bool out_on_device, std::int64_t budget, const Execution& on,
               Control& control) {
  const std::int64_t n = x.rows;
  const MemoryPlan plan = plan_memory(
      {n, prepared_row_bytes<T>(x, metric), static_cast<std::int64_t>(sizeof(T)), out_on_device ? 0 : 2, 0}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, false);
  const RowsOnHost<T> host = out_on_device ? nullptr : rows_on_host(plan.side, plan.side, on, out, n);
  const auto target = [&](std::int64_t i0, std::int64_t j0) { return host ? host->next() : out + i0 * n + j0; };
  const std::int64_t ld = host ? plan.side : n;
  for_panels(cloud, maker, ld, control, target, [&](const PanelView<T>& panel) {
    if (panel.diagonal) complete_diagonal(on, panel.entries, panel.rows, ld);
    if (host) host->send(panel.first_row, panel.first_col, panel.rows, panel.cols);
    if (!panel.diagonal) {
      transpose(on, panel.entries, ld, panel.rows, panel.cols, target(panel.first_col, panel.first_row), ld);
      if (host) host->send(panel.first_col, panel.first_row, panel.cols, panel.rows);
    }
    if (!host) synchronize(on);
  });
  if (host) host->finish();
}

template <class T>
void between(const GivenPoints& x, const GivenPoints& y, MetricKind metric, T* out, bool out_on_device, std::int64_t budget,
             const Execution& on, Control& control) {
  const std::int64_t across = y.rows, size = sizeof(T), tiles = out_on_device ? 0 : 2;
  const MemoryPlan plan = plan_memory(
      {x.rows, prepared_row_bytes<T>(x, metric), size, tiles, 0, y.rows, prepared_row_bytes<T>(y, metric)}, budget_of(budget));
  const std::int64_t width = std::min(plan.side, y.rows);
  const Preparation<T> preparation({x, y}, metric, on);
  Cloud<T> down(x, preparation, plan.side, plan.streamed, on, control), right(y, preparation, plan.side, plan.others_streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, false);
  const RowsOnHost<T> host = out_on_device ? nullptr : rows_on_host(std::min(plan.side, x.rows), width, on, out, across);
  // The inner blocks come by once for each outer one: rows that stay there.
  const bool turned = plan.others_streamed && !plan.streamed;
  Cloud<T> &outer = turned ? right : down, &inner = turned ? down : right;
  control.total.store(outer.blocks() * inner.blocks());
  for (std::int64_t o = 0; o < outer.blocks(); ++o) {
    for (std::int64_t k = 0; k < inner.blocks(); ++k) {
      const std::int64_t i = turned ? k : o, j = turned ? o : k, i0 = down.first_row(i), j0 = right.first_row(j);
      const Operand<T> a = down.block(i), b = right.block(j);
      maker.panel(a, b, false, host ? host->next() : out + i0 * across + j0, host ? width : across);
      if (k == 0) outer.prefetch(o + 1);
      if (k + 1 < inner.blocks() || o + 1 < outer.blocks()) inner.prefetch((k + 1) % inner.blocks());
      if (host) {
        host->send(i0, j0, a.rows, b.rows);
      } else {
        synchronize(on);
      }
      if (control.stopped()) throw Interrupted();
      control.done.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (host) host->finish();
}

}  // namespace

template <class T>
void pairwise(const GivenPoints& x, const GivenPoints* y, MetricKind metric, T* out, bool out_on_device, std::int64_t budget,
              const Execution& on, Control& control) {
  if (y) {
    between(x, *y, metric, out, out_on_device, budget, on, control);
  } else {
    symmetric(x, metric, out, out_on_device, budget, on, control);
  }
}

template <class T>
double condensed(const GivenPoints& x, MetricKind metric, float* out, std::int64_t budget, const Execution& on, Control& control) {
  const std::int64_t n = x.rows;
  const MemoryPlan plan =
      plan_memory({n, prepared_row_bytes<T>(x, metric), static_cast<std::int64_t>(sizeof(T)), 2, 0}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, true);
  const auto write = [&](std::int64_t i0, std::int64_t j0, std::int64_t rows, std::int64_t cols, const T* from, std::int64_t ld) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t i = i0 + r;
      const T* entries = from + r * ld - j0;
      float* to = out + i * (2 * n - i - 1) / 2 - i - 1;
      for (std::int64_t j = std::max(j0, i + 1); j < j0 + cols; ++j) to[j] = static_cast<float>(entries[j]);
    }
  };
  ToHost<T, decltype(write)> host(plan.side, plan.side, on, write);
  for_panels(
      cloud, maker, plan.side, control, [&](std::int64_t, std::int64_t) { return host.next(); },
      [&](const PanelView<T>& panel) { host.send(panel.first_row, panel.first_col, panel.rows, panel.cols); });
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
