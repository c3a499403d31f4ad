// Runs functions on several threads and joins them all, whatever happens; the first exception is rethrown.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include "interrupt.hpp"

namespace topo_interp {

// Moves a thread that was just started or woken up, and has not ended, off the core of this one. On a virtual machine Linux takes an
// idle core for one that somebody else keeps busy, and leaves the thread in line behind this one until the next balancing,
// milliseconds later.
inline void send_away(std::thread& started) {
#if defined(__linux__)
  cpu_set_t allowed, elsewhere;
  const int here = sched_getcpu();
  if (here < 0 || pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
  elsewhere = allowed;
  CPU_CLR(static_cast<std::size_t>(here), &elsewhere);
  if (CPU_COUNT(&elsewhere) == 0) return;
  if (pthread_setaffinity_np(started.native_handle(), sizeof elsewhere, &elsewhere) == 0) {
    pthread_setaffinity_np(started.native_handle(), sizeof allowed, &allowed);
  }
#else
  static_cast<void>(started);
#endif
}

// Threads that stay for many short pieces of work one after the other: starting one costs more than such a piece.
class Crew {
 public:
  explicit Crew(int threads) {
    others_.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));  // nothing may throw while a thread runs
    for (int thread = 1; thread < threads; ++thread) {
      try {
        others_.emplace_back([this, thread] { follow(thread); });
        send_away(others_.back());
      } catch (const std::exception&) {
        break;  // fewer threads do all the work, too
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

  // `work(thread)` must take its share from shared counters, so that fewer threads than asked for still do everything. The first
  // exception is rethrown when all have ended.
  template <class Work>
  void run(Work&& work) {
    call_ = [](void* what, int thread) { (*static_cast<std::remove_reference_t<Work>*>(what))(thread); };
    what_ = &work;
    busy_.store(static_cast<std::uint32_t>(others_.size()), std::memory_order_relaxed);
    const bool wakes = asleep_.load(std::memory_order_relaxed) != 0;
    begin();
    if (wakes && others_.size() < 8) {  // more take longer to send away than a short piece takes
      for (std::thread& other : others_) send_away(other);
    }
    guarded(0);
    watch([this] { return busy_.load(std::memory_order_acquire) == 0; });
    for (std::uint32_t left; (left = busy_.load(std::memory_order_acquire)) != 0;) busy_.wait(left, std::memory_order_acquire);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  // Looks for some tens of microseconds, by the machine, for the next piece is often there before a thread would have gone to sleep and been woken up.
  // Whoever stands in line for this core goes first.
  template <class Done>
  static void watch(Done&& done) {
    for (int look = 0; look < 2048 && !done(); ++look) {
      if (look % 64 == 63) std::this_thread::yield();
#if defined(__x86_64__) && defined(__GNUC__)
      __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
      asm volatile("yield");
#endif
    }
  }
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
      watch([&] { return round_.load(std::memory_order_acquire) != seen; });
      asleep_.fetch_add(1, std::memory_order_relaxed);
      round_.wait(seen, std::memory_order_acquire);
      asleep_.fetch_sub(1, std::memory_order_relaxed);
      seen = round_.load(std::memory_order_acquire);
      if (!call_) return;
      guarded(thread);
      if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
    }
  }

  std::vector<std::thread> others_;
  void (*call_)(void*, int) = nullptr;
  void* what_ = nullptr;
  std::atomic<std::uint32_t> round_{0}, busy_{0}, asleep_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

template <class Work>
void run_threads(int threads, Work&& work) {
  Crew(threads).run(std::forward<Work>(work));
}

// body(piece, worker) for every piece in [0, pieces), worker in [0, threads). Ends early, without an error, when the control
// asks to stop; the first exception of a body ends the others and is thrown here, after all have ended. Which thread does which
// piece is open; what a piece writes must not be.
template <class Body>
void parallel_for(Crew& crew, std::int64_t pieces, const Control& control, Body&& body) {
  std::atomic<std::int64_t> next{0};
  crew.run([&](int worker) {
    try {
      for (std::int64_t piece; !control.stopped() && (piece = next++) < pieces;) body(piece, worker);
    } catch (...) {
      next = pieces;  // nothing is left for the others
      throw;
    }
  });
}
template <class Body>
void parallel_for(int threads, std::int64_t pieces, const Control& control, Body&& body) {
  Crew crew(static_cast<int>(std::clamp<std::int64_t>(pieces, 1, std::max(threads, 1))));
  parallel_for(crew, pieces, control, body);
}

inline std::int64_t pieces_of(std::int64_t count, std::int64_t piece) { return (count + piece - 1) / piece; }

// Rows to a piece of work over rows: at most 64 pieces, by n alone, so that sums over rows have one order.
inline std::int64_t chunk_rows(std::int64_t rows) { return std::max<std::int64_t>(64, pieces_of(rows, 64)); }

}  // namespace topo_interp
