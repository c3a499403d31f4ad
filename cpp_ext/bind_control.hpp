// Runs a kernel on its own thread with the GIL released, while the calling thread answers Ctrl-C every 20 ms.
#pragma once
#include <nanobind/nanobind.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "interrupt.hpp"

namespace topo_interp {

// More would only cost: kernels keep buffers per thread, and no machine of today runs more at once.
inline constexpr int most_threads = 256;

// numpy calls an array contiguous wherever it starts; kernels load at the alignment of its type.
template <class... Arrays>
void require_aligned(const Arrays&... arrays) {
  const auto check = [](const auto& array) {
    using Item = std::remove_pointer_t<decltype(array.data())>;
    if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(Item) != 0) {
      throw std::invalid_argument("an array does not start at a multiple of its item size: np.require(x, requirements='A')");
    }
  };
  (check(arrays), ...);
}

// `progress` is None or a Python callable (phase: int, done: int, total: int) -> None, called on the calling thread.
// The kernel is always joined before this returns or throws: no thread outlives the call.
template <class Kernel>
void run_interruptible(nanobind::object progress, Kernel&& kernel) {
  namespace nb = nanobind;
  Control control;
  std::exception_ptr failure;
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
  std::thread worker([&] {
    try {
      kernel(control);
    } catch (...) {
      failure = std::current_exception();
    }
    std::lock_guard<std::mutex> lock(mutex);
    done = true;
    finished.notify_all();
  });
  std::exception_ptr raised;  // KeyboardInterrupt, or what the progress callable raised
  for (;;) {
    bool ended = false;
    {
      nb::gil_scoped_release release;
      std::unique_lock<std::mutex> lock(mutex);
      ended = finished.wait_for(lock, std::chrono::milliseconds(20), [&] { return done; });
    }
    if (ended) break;
    if (raised) continue;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!progress.is_none()) progress(control.phase.load(), control.done.load(), control.total.load());
    } catch (...) {
      raised = std::current_exception();
      control.stop.store(true);
    }
  }
  worker.join();
  if (raised) std::rethrow_exception(raised);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace topo_interp
