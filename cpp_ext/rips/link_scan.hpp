// The link of every edge: is it empty, is it connected, and one witness of each component.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "cpu/cpu_features.hpp"
#include "interrupt.hpp"
#include "rips/edge_order.hpp"

namespace topo_interp {

// Marks in the place of a witness: the edge joined two components, or opened a loop.
template <class Format>
constexpr typename Format::Witness merge_mark = static_cast<typename Format::Witness>(Format::vertex_limit);
template <class Format>
constexpr typename Format::Witness birth_mark = static_cast<typename Format::Witness>(Format::vertex_limit + 1);

// Labels and first guesses. They change the speed and the choice of witnesses, never a bar.
struct Guides {
  std::vector<Vertex> label;          // vertex -> label
  std::vector<Vertex> vertex;         // label -> vertex
  std::vector<std::uint16_t> region;  // label -> region
  std::vector<Vertex> middle;         // region x region -> label of the vertex nearest to both
  std::uint32_t regions = 1;
};
Guides make_guides(const Condensed& matrix, Vertex center, int threads, const Control& control);

// A further component of the link of edge `position`: the cycle i - main - j - other.
struct Square {
  std::uint64_t position;
  Vertex main, other;
};

struct ScanCounts {
  std::uint64_t guessed = 0, grown = 0, rows = 0;
};

template <class Format>
struct ScanTask {
  const typename Format::Packed* edges;
  std::uint64_t count;
  std::uint64_t n;
  const Guides* guides;
  typename Format::Witness* witness;  // by condensed index
  Condensed matrix;
  std::uint64_t chunk;               // edges per unit of work
  std::atomic<std::uint64_t>* next;  // next unit
  std::vector<std::vector<Square>>* squares;               // per unit
  std::vector<std::vector<std::uint64_t>>* empty;          // per unit: positions of edges with an empty link
  Control* control;
};

// One thread's share: replays the adjacency bits up to each unit it takes. One build per instruction set.
namespace scan_scalar {
ScanCounts scan(const ScanTask<Narrow>&);
ScanCounts scan(const ScanTask<Wide>&);
}
namespace scan_avx2 {
ScanCounts scan(const ScanTask<Narrow>&);
ScanCounts scan(const ScanTask<Wide>&);
}
namespace scan_avx512 {
ScanCounts scan(const ScanTask<Narrow>&);
ScanCounts scan(const ScanTask<Wide>&);
}

template <class Format>
ScanCounts scan_links(const ScanTask<Format>& task, Isa isa) {
#if defined(TOPO_INTERP_X86)
  if (isa == Isa::avx512) return scan_avx512::scan(task);
  if (isa == Isa::avx2) return scan_avx2::scan(task);
#endif
  static_cast<void>(isa);
  return scan_scalar::scan(task);
}

}  // namespace topo_interp
