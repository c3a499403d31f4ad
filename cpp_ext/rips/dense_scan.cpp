// All links of a complete graph, in batches of the order of its edges.
#include "rips/dense_scan.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace topo_interp {

namespace {

constexpr std::uint64_t batch_share = 16;  // a batch is this part of the edges before it, where that is more than 8,192 edges

// Rows of bits with one more row of room, so that they can start on a cache line.
class BitMatrix {
 public:
  BitMatrix(std::uint64_t n, const BitShape& shape) : shape_(shape), words_(shape.stride * n + 8, 0), held_(n, 0) {
    rows_.bits = words_.data();
    while (reinterpret_cast<std::uintptr_t>(rows_.bits) % 64 != 0) ++rows_.bits;
    rows_.held = held_.data();
    // Closed neighborhoods: a vertex is next to itself.
    for (std::uint64_t v = 0; v < n; ++v) set(v, v);
  }
  BitMatrix(const BitMatrix&) = delete;
  BitMatrix& operator=(const BitMatrix&) = delete;
  const BitRows& rows() const { return rows_; }
  // Two threads may set bits of one row, in different blocks of it.
  void set(std::uint64_t label, std::uint64_t other) {
    const std::uint64_t block = other >> shape_.label_bits;
    rows_.bits[label * shape_.stride + other / 64] |= std::uint64_t{1} << (other % 64);
    const std::atomic_ref<std::uint64_t> held(rows_.held[label]);
    const std::uint64_t bit = std::uint64_t{1} << block;
    if ((held.load(std::memory_order_relaxed) & bit) == 0) held.fetch_or(bit, std::memory_order_relaxed);
  }
  // Takes over a row of another; clears in `open` the blocks of it that are all ones.
  void copy(std::uint64_t label, const BitMatrix& from, std::uint64_t& open) {
    rows_.held[label] = from.rows_.held[label];
    for (std::uint64_t left = rows_.held[label] & open; left != 0; left &= left - 1) {
      const auto block = static_cast<std::uint64_t>(std::countr_zero(left));
      std::uint64_t* const to = rows_.bits + label * shape_.stride + block * shape_.block;
      const std::uint64_t* const words = from.rows_.bits + label * shape_.stride + block * shape_.block;
      std::uint64_t all = ~std::uint64_t{0};
      for (std::uint64_t k = 0; k < shape_.block; ++k) all &= to[k] = words[k];
      if (all == ~std::uint64_t{0}) open &= ~(std::uint64_t{1} << block);
    }
  }

 private:
  BitShape shape_;
  std::vector<std::uint64_t> words_, held_;
  BitRows rows_;
};

// The edges of a batch by tile: both ends in given blocks of labels.
template <class Format>
struct Tiles {
  std::vector<BatchEdge<Format>> edges;
  std::vector<std::uint64_t> begin;

  void group(const typename Format::Packed* first, std::uint64_t count, const Guides& guides, int width, std::uint64_t side, Crew& crew,
             const Control& control) {
    const std::uint64_t tiles = side * side;
    const auto tile_of = [&](typename Format::Packed edge) {
      std::uint64_t a = guides.label[first_vertex<Format>(edge)] >> width, b = guides.label[second_vertex<Format>(edge)] >> width;
      if (a > b) std::swap(a, b);
      return a * side + b;
    };
    const auto parts = static_cast<std::uint64_t>(crew.threads());
    std::vector<std::vector<std::uint64_t>> at(parts, std::vector<std::uint64_t>(tiles, 0));
    edges.resize(count);
    begin.assign(tiles + 1, 0);
    const auto for_parts = [&](auto&& body) {
      parallel_for(crew, crew.threads(), control, [&](std::int64_t piece, int) {
        const auto part = static_cast<std::uint64_t>(piece);
        const std::uint64_t last = count * (part + 1) / parts;  // else divided at every edge
        for (std::uint64_t k = count * part / parts; k < last; ++k) body(at[part].data(), k);
      });
    };
    for_parts([&](std::uint64_t* counts, std::uint64_t k) { ++counts[tile_of(first[k])]; });
    std::uint64_t total = 0;
    for (std::uint64_t tile = 0; tile < tiles; ++tile) {
      begin[tile] = total;
      for (std::vector<std::uint64_t>& part : at) total += std::exchange(part[tile], total);
    }
    begin[tiles] = total;
    for_parts([&](std::uint64_t* places, std::uint64_t k) {
      edges[places[tile_of(first[k])]++] = {first[k], static_cast<std::uint32_t>(k)};
    });
  }
};

}  // namespace

template <class Format>
ScanFound scan_all(const Condensed& matrix, const SortedEdges<Format>& sorted, const Guides& guides,
                   typename Format::Witness* witness, const LinksOptions& options, Control& control) {
  const std::uint64_t n = matrix.n;
  BitShape shape;
  shape.block = options.block;
  const std::uint64_t words = (n + 63) / 64;
  while ((words + shape.block - 1) / shape.block > 64) shape.block *= 2;
  shape.stride = (words + shape.block - 1) / shape.block * shape.block;
  shape.label_bits = std::countr_zero(shape.block * 64);
  const std::uint64_t side = ((n - 1) >> shape.label_bits) + 1;
  BitMatrix sure(n, shape), maybe(n, shape);
  std::vector<std::uint64_t> open(n, ~std::uint64_t{0});

  std::vector<ScanFound> found(static_cast<std::size_t>(options.threads));
  for (ScanFound& part : found) part.scratch.resize(3 * shape.stride);
  Tiles<Format> tiles;
  Crew crew(sorted.count < 32768 ? 1 : options.threads), alone(1);
  bool central_first = true;
  for (std::uint64_t start = 0; start < sorted.count && !control.stopped();) {
    // Within a batch nothing is sure, so that the first batches, which are all of a small cloud, must be small.
    const std::uint64_t least = std::clamp<std::uint64_t>(start / 8, 64, 8192);
    const std::uint64_t count = std::min(sorted.count - start, std::max(least, start / batch_share));
    Crew& team = count < 4096 ? alone : crew;
    tiles.group(sorted.edges.get() + start, count, guides, shape.label_bits, side, team, control);
    const auto for_pieces = [&](std::uint64_t pieces, auto&& body) {
      parallel_for(team, static_cast<std::int64_t>(pieces), control,
                   [&](std::int64_t piece, int thread) { body(static_cast<std::uint64_t>(piece), thread); });
    };
    // What may have been in the last batch is sure now.
    for_pieces((n + 63) / 64, [&](std::uint64_t piece, int) {
      for (std::uint64_t label = 64 * piece; label < std::min(n, 64 * piece + 64); ++label) sure.copy(label, maybe, open[label]);
    });
    for_pieces(side * side, [&](std::uint64_t tile, int) {
      for (std::uint64_t k = tiles.begin[tile]; k < tiles.begin[tile + 1]; ++k) {
        const Vertex a = guides.label[first_vertex<Format>(tiles.edges[k].edge)];
        const Vertex b = guides.label[second_vertex<Format>(tiles.edges[k].edge)];
        maybe.set(a, b);
        maybe.set(b, a);
      }
    });
    constexpr std::uint64_t step = 512;  // edges between two looks at the control
    for_pieces((count + step - 1) / step, [&](std::uint64_t piece, int thread) {
      ScanFound& mine = found[static_cast<std::size_t>(thread)];
      const ScanTask<Format> task{matrix, &guides, shape, sure.rows(), maybe.rows(), open.data(), witness,
                                  tiles.edges.data() + step * piece, std::min(step, count - step * piece), start, central_first,
                                  mine.scratch.data()};
      scan_tile(task, mine, options.isa);
    });
    std::uint64_t beyond_middle = 0, beyond_central = 0;
    for (ScanFound& part : found) {
      beyond_middle += std::exchange(part.counts.beyond_middle, 0);
      beyond_central += std::exchange(part.counts.beyond_central, 0);
    }
    central_first = beyond_central < beyond_middle;
    start += count;
    control.done = static_cast<std::int64_t>(start);
  }
  ScanFound all = std::move(found[0]);
  for (std::size_t k = 1; k < found.size(); ++k) {
    all.squares.insert(all.squares.end(), found[k].squares.begin(), found[k].squares.end());
    all.empty.insert(all.empty.end(), found[k].empty.begin(), found[k].empty.end());
    all.counts.cones += found[k].counts.cones;
    all.counts.attached += found[k].counts.attached;
    all.counts.exact += found[k].counts.exact;
    all.counts.rows += found[k].counts.rows;
  }
  std::sort(all.empty.begin(), all.empty.end());
  std::stable_sort(all.squares.begin(), all.squares.end(), [](const Square& x, const Square& y) { return x.position < y.position; });
  return all;
}

template ScanFound scan_all(const Condensed&, const SortedEdges<Narrow>&, const Guides&, Narrow::Witness*, const LinksOptions&, Control&);
template ScanFound scan_all(const Condensed&, const SortedEdges<Wide>&, const Guides&, Wide::Witness*, const LinksOptions&, Control&);

}  // namespace topo_interp
