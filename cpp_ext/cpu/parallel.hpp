// Explicit threads over independent pieces of work. Which thread does which piece is open; what a piece writes is not.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "interrupt.hpp"
#include "../parallel.hpp"

namespace topo_interp {

inline std::int64_t pieces_of(std::int64_t count, std::int64_t piece) { return (count + piece - 1) / piece; }

// Rows to a piece of work over rows: at most 64 pieces, by n alone, so that sums over rows have one order.
inline std::int64_t chunk_rows(std::int64_t rows) { return std::max<std::int64_t>(64, pieces_of(rows, 64)); }

// body(piece, worker) for every piece in [0, pieces), worker in [0, threads). Ends early, without an error, when the control
// asks to stop; the first exception of a body ends the others and is thrown here, after all threads have been joined.
template <class Body>
void parallel_for(int threads, std::int64_t pieces, const Control& control, Body&& body) {
  std::atomic<std::int64_t> next{0};
  const auto workers = std::min<std::int64_t>(std::max(threads, 1), std::max<std::int64_t>(pieces, 1));
  run_threads(static_cast<int>(workers), [&](int worker) {
    try {
      for (std::int64_t piece; !control.stopped() && (piece = next++) < pieces;) body(piece, worker);
    } catch (...) {
      next = pieces;  // nothing is left for the others
      throw;
    }
  });
}

}  // namespace topo_interp
