// Runs one function on several threads and joins them all, whatever happens; the first exception is rethrown.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
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

// Threads that stay for many short pieces of work one after the other: starting one costs more than such a piece.
class Crew {
 public:
  explicit Crew(int threads) {
    for (int thread = 1; thread < threads; ++thread) {
      try {
        others_.emplace_back([this, thread] { follow(thread); });
      } catch (const std::system_error&) {
        break;
      }
    }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    call_ = nullptr;
    begin();
    for (std::thread& other : others_) other.join();
  }
  int threads() const { return static_cast<int>(others_.size()) + 1; }

  // As run_threads: `work(thread)` takes its share from shared counters; the first exception is rethrown when all have ended.
  template <class Work>
  void run(Work&& work) {
    call_ = [](void* what, int thread) { (*static_cast<std::remove_reference_t<Work>*>(what))(thread); };
    what_ = &work;
    busy_.store(static_cast<std::uint32_t>(others_.size()), std::memory_order_relaxed);
    begin();
    guarded(0);
    for (std::uint32_t left; (left = busy_.load(std::memory_order_acquire)) != 0;) busy_.wait(left, std::memory_order_acquire);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  void begin() {
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  void guarded(int thread) {
    try {
      call_(what_, thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
  void follow(int thread) {
    for (std::uint32_t seen = 0;;) {
      round_.wait(seen, std::memory_order_acquire);
      seen = round_.load(std::memory_order_acquire);
      if (!call_) return;
      guarded(thread);
      if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
    }
  }

  std::vector<std::thread> others_;
  void (*call_)(void*, int) = nullptr;
  void* what_ = nullptr;
  std::atomic<std::uint32_t> round_{0}, busy_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace topo_interp
