// Explicit threads over independent pieces of work. Which thread does which piece is open; what a piece writes is not.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "interrupt.hpp"

namespace topo_interp {

// body(piece, worker) for every piece in [0, pieces), worker in [0, threads). Ends early, without an error, when the control
// asks to stop; the first exception of a body ends the others and is thrown here, after all threads have been joined.
template <class Body>
void parallel_for(int threads, std::int64_t pieces, const Control& control, Body&& body) {
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&](int worker) {
    try {
      for (std::int64_t piece; !control.stopped() && !failed.load(std::memory_order_relaxed) && (piece = next++) < pieces;)
        body(piece, worker);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };
  const int workers = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), std::max<std::int64_t>(pieces, 1)));
  std::vector<std::thread> others;
  others.reserve(static_cast<std::size_t>(workers - 1));
  try {
    for (int worker = 1; worker < workers; ++worker) others.emplace_back(work, worker);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do all the work.
  }
  work(0);
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace topo_interp
