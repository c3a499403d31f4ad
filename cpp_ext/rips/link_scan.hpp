// The link of every edge: is it empty, is it connected, and one witness of each component.
//
// Edges are scanned in batches of the filtration order. Before a batch two bit matrices stand: `sure` holds the edges
// before the batch, `maybe` also those of the batch. Every adjacency at the time of an edge e of the batch lies between
// the two, and a proof that the link is connected for every choice in between needs no order within the batch: so the
// edges of a batch can be taken in tiles of rows that stay in the cache, on any number of threads. Where that proof
// fails, the lengths decide what is before e.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
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
//
// Most links are cones, or nearly: one vertex of the lune is next to almost all others, and two or three vertices next to
// each other reach all. Two rules find them. The labels below 64 are the vertices of smallest mean distance, best first, so
// that the first bits of a lune are its most central vertices (right where the cloud has a center). And for two regions of
// vertices `middle` has vertices that together are near to everything near to both (right on a curve or a surface).
struct Guides {
  std::vector<Vertex> label;          // vertex -> label; beyond the first 64, vertices of a region are together
  std::vector<Vertex> vertex;         // label -> vertex
  std::vector<std::uint16_t> region;  // label -> region
  static constexpr std::uint64_t middles = 4;
  std::vector<Vertex> middle;         // region x region x middles -> label, best first
  std::uint32_t regions = 1;
};
// Rows of the square matrix, diagonal included.
using DistancesFrom = std::function<std::vector<std::vector<float>>(const std::vector<Vertex>&)>;
std::vector<std::vector<float>> distances_from(const Condensed& matrix, const std::vector<Vertex>& from, int threads);
Guides make_guides(const RowSummary& rows, const DistancesFrom& distances, int threads, const Control& control);

// A further component of the link of edge `position`: the cycle i - main - j - other.
struct Square {
  std::uint64_t position;
  Vertex main, other;
};

struct ScanCounts {
  std::uint64_t cones = 0;     // proved connected by one vertex next to all others
  std::uint64_t attached = 0;  // by one vertex next to most, and the rest next to those
  std::uint64_t exact = 0;     // decided by the lengths
  std::uint64_t rows = 0;      // rows read in growing components
  std::uint64_t beyond_middle = 0, beyond_central = 0;  // on a sample of edges: what each rule left over
};

// Rows of bits by label, a multiple of 8 words long and on cache lines; `held` says which blocks of a row are nonzero.
struct BitRows {
  std::uint64_t* bits = nullptr;
  std::uint64_t* held = nullptr;
};

struct BitShape {
  std::uint64_t block = 8;   // words in a block: at most 64 blocks in a row
  std::uint64_t stride = 8;  // words in a row
  int label_bits = 9;        // a block covers 2^label_bits labels
};

template <class Format>
struct BatchEdge {
  typename Format::Packed edge;
  std::uint32_t offset;  // position in the batch
};

// What threads find, in no order. Its functions are compiled for every machine, unlike the scan.
struct ScanFound {
  std::vector<Square> squares;
  std::vector<std::uint64_t> empty;  // positions of edges with an empty link
  ScanCounts counts;
  std::vector<std::uint64_t> scratch;

  void add_square(std::uint64_t position, Vertex main, Vertex other);
  void add_empty(std::uint64_t position);
};

template <class Format>
struct ScanTask {
  Condensed matrix;
  const Guides* guides;
  BitShape shape;
  BitRows sure, maybe;
  const std::uint64_t* open;          // which blocks of the sure rows are not all ones
  typename Format::Witness* witness;  // by condensed index
  const BatchEdge<Format>* edges;     // of one tile
  std::uint64_t count;
  std::uint64_t start;  // position of the batch
  bool central_first;      // which guess to try first
  std::uint64_t* scratch;  // 3 rows
};

// One build per instruction set.
#define TOPO_INTERP_SCAN(isa)                                  \
  namespace scan_##isa {                                       \
  void scan_tile(const ScanTask<Narrow>&, ScanFound&);         \
  void scan_tile(const ScanTask<Wide>&, ScanFound&);           \
  }
TOPO_INTERP_SCAN(scalar)
TOPO_INTERP_SCAN(avx2)
TOPO_INTERP_SCAN(avx512)
#undef TOPO_INTERP_SCAN

template <class Format>
void scan_tile(const ScanTask<Format>& task, ScanFound& found, Isa isa) {
#if defined(TOPO_INTERP_X86)
  if (isa == Isa::avx512) return scan_avx512::scan_tile(task, found);
  if (isa == Isa::avx2) return scan_avx2::scan_tile(task, found);
#endif
  static_cast<void>(isa);
  scan_scalar::scan_tile(task, found);
}

}  // namespace topo_interp
