// Runs one function on several threads and joins them all, whatever happens; the first exception is rethrown.
#pragma once
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace topo_interp {

// `work(thread)` must take its share from shared counters, so that fewer threads than asked for still do everything.
template <class Work>
void run_threads(int threads, Work&& work) {
  std::exception_ptr failure;
  std::mutex mutex;
  const auto guarded = [&](int thread) {
    try {
      work(thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) {
    try {
      others.emplace_back(guarded, thread);
    } catch (const std::system_error&) {
      break;
    }
  }
  guarded(0);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace topo_interp
