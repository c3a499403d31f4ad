// Cancellation and progress shared by every long kernel: workers poll, the calling thread asks Python.
#pragma once
#include <atomic>
#include <cstdint>
#include <stdexcept>

namespace topo_interp {

// Thrown on the calling thread after every worker has been joined; the binding turns it into KeyboardInterrupt.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// What a kernel sees of its caller. `stop` is set by the caller; workers read it between tiles (every few milliseconds)
// and return early. `done` counts finished units of `total` for progress bars.
struct Control {
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> done{0};
  std::atomic<std::int64_t> total{0};
  std::atomic<int> phase{0};
  bool stopped() const { return stop.load(std::memory_order_relaxed); }
};

}  // namespace topo_interp
