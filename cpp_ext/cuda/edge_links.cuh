// The link of every edge, on the device: one warp for each edge, on rows of bits.
//
// As in rips/link_scan.hpp, edges are scanned in batches, with the edges before the batch (`sure`) and those up to its end
// (`maybe`) as two bit matrices. First every edge tries to prove its link connected by a star: a hub that is surely in the
// lune, some vertices surely next to it and in the lune, and no vertex that may be in the lune is next to none of them. This
// reads three rows, keeps nothing, and settles most edges. The others are queued, and their links are grown one component
// after the other in shared memory; there the lengths decide what comes before the edge.
#pragma once
#include <cstdint>

#include "cuda/warps.cuh"
#include "rips/edge_order.hpp"
#include "rips/link_scan.hpp"

namespace topo_interp::cuda {

// Words of a row come in chunks, at most 64 to a row, so that one word says of all chunks whether there is anything in them.
struct RowShape {
  std::int64_t words;  // in a row
  std::int64_t chunk;  // words in a chunk, a multiple of the lanes
};
inline RowShape row_shape(std::uint64_t n) {
  const auto needed = static_cast<std::int64_t>((n + 63) / 64);
  const std::int64_t chunk = lanes * pieces(needed, 64 * lanes);
  return {pieces(needed, chunk) * chunk, chunk};
}

// Bits by label, closed neighborhoods: a vertex is next to itself.
struct BitRowsView {
  Word* bits;
  Word* held;  // by row: chunks that are not zero
  Word* open;  // by row: chunks that are not all ones
};

template <class Format>
struct FoundOnDevice {
  std::uint64_t position;
  typename Format::Packed edge;
  Vertex main, other;  // both `nothing` where the link is empty
};

template <class Format>
struct LinkScan {
  Condensed matrix;  // on the device, like all that follows
  const typename Format::Packed* edges;
  const Vertex* label;
  const Vertex* vertex;
  const std::uint16_t* region;
  const Vertex* middle;
  std::uint64_t regions;
  RowShape shape;
  BitRowsView sure, maybe;
  typename Format::Witness* witness;  // by condensed index
  FoundOnDevice<Format>* found;
  Count* found_count;
  Count found_room;
};

// One edge, in the hands of one warp.
template <class Format, class Group>
class EdgeLink {
 public:
  TOPO_INTERP_DEVICE EdgeLink(const LinkScan<Format>& scan, const Group& group, std::uint64_t position)
      : scan_(scan),
        group_(group),
        position_(position),
        packed_(scan.edges[position]),
        i_(first_vertex<Format>(packed_)),
        j_(second_vertex<Format>(packed_)),
        a_(scan.label[i_]),
        b_(scan.label[j_]),
        length_(scan.matrix.lengths[scan.matrix.row(i_) + j_]),
        blocks_(scan.maybe.held[a_] & scan.maybe.held[b_]) {}

  // Whether a star proves the link connected; then its hub is the witness.
  TOPO_INTERP_DEVICE bool settle() const {
    const Vertex middle = likely(0), central = likely(middles);
    const bool settled = (middle != nothing && spans(middle)) || (central != nothing && central != middle && spans(central));
    return settled;
  }

  // Writes the witness, and the further components; `scratch` holds three rows.
  TOPO_INTERP_DEVICE void resolve(Word* scratch) const {
    Word* const lune = scratch;
    Word* const reached = scratch + scan_.shape.words;
    Word* const rest = reached + scan_.shape.words;
    group_.each(scan_.shape.words, [&](std::int64_t k) { lune[k] = in_lune(k); });
    Vertex main = first_of(lune);
    if (main == nothing) {
      record(birth_mark<Format>);  // or a merge: decided when all are known
      report(nothing, nothing);
      return;
    }
    for (int guess = 0; guess <= middles; guess += middles) {
      if (likely(guess) != nothing) main = likely(guess);
    }
    record(static_cast<typename Format::Witness>(scan_.vertex[main]));
    grow(main, lune, reached, rest);
    for (Vertex other; (other = first_of(rest)) != nothing;) {
      report(scan_.vertex[main], scan_.vertex[other]);
      group_.each(scan_.shape.words, [&](std::int64_t k) { lune[k] = rest[k]; });
      grow(other, lune, reached, rest);
    }
  }

 private:
  static constexpr int middles = static_cast<int>(Guides::middles);
  static constexpr int guesses = middles + 6;

  TOPO_INTERP_DEVICE const Word* sure(Vertex label) const { return scan_.sure.bits + label * scan_.shape.words; }
  TOPO_INTERP_DEVICE const Word* maybe(Vertex label) const { return scan_.maybe.bits + label * scan_.shape.words; }
  TOPO_INTERP_DEVICE static bool has(const Word* row, Vertex label) { return (row[label / 64] >> (label % 64)) & 1; }
  TOPO_INTERP_DEVICE bool holds(Word mask, std::int64_t k) const { return (mask >> (k / scan_.shape.chunk)) & 1; }

  // Vertices likely to be next to many of the lune, and surely in it: the middles of the regions of both ends, then the most
  // central ones. All threads ask alike.
  TOPO_INTERP_DEVICE Vertex likely(int guess) const {
    if (guess < middles) {
      const std::uint64_t regions = scan_.region[a_] * scan_.regions + scan_.region[b_];
      const Vertex label = scan_.middle[regions * Guides::middles + static_cast<std::uint64_t>(guess)];
      return has(sure(a_), label) && has(sure(b_), label) ? label : nothing;
    }
    Word centers = sure(a_)[0] & sure(b_)[0];
    for (int skip = guess - middles; skip > 0; --skip) centers &= centers - 1;
    return centers == 0 ? nothing : lowest_bit(centers);
  }

  // Whether every vertex that may be in the lune surely is next to the hub or to one of the hub's likely neighbors in the lune.
  TOPO_INTERP_DEVICE bool spans(Vertex hub) const {
    Vertex helpers[guesses];
    int count = 0;
    for (int guess = 0; guess < guesses; ++guess) {
      const Vertex label = likely(guess);
      if (label != nothing && label != hub && has(sure(hub), label)) helpers[count++] = label;
    }
    const Word* const first = maybe(a_);
    const Word* const second = maybe(b_);
    const Word* const near = sure(hub);
    for (Word chunks = blocks_ & scan_.sure.open[hub]; chunks != 0; chunks &= chunks - 1) {
      const std::int64_t start = lowest_bit(chunks) * scan_.shape.chunk;
      const bool fails = group_.any(scan_.shape.chunk, [&](std::int64_t at) {
        const std::int64_t k = start + at;
        Word left = first[k] & second[k] & ~near[k];
        for (int helper = 0; helper < count && left != 0; ++helper) left &= ~sure(helpers[helper])[k];
        return left != 0;
      });
      if (fails) return false;
    }
    group_.once([&] { scan_.witness[scan_.matrix.row(i_) + j_] = static_cast<typename Format::Witness>(scan_.vertex[hub]); });
    return true;
  }

  // Word k of the lune, as the order has it.
  TOPO_INTERP_DEVICE Word in_lune(std::int64_t k) const {
    if (!holds(blocks_, k)) return 0;
    Word out = maybe(a_)[k] & maybe(b_)[k];
    for (Word unsure = out & ~(sure(a_)[k] & sure(b_)[k]); unsure != 0; unsure &= unsure - 1) {
      const Vertex u = label_of(k, unsure);
      if (!(before(a_, u) && before(b_, u))) out &= ~(unsure & (~unsure + 1));
    }
    return out;
  }

  // The bits of `set`, word k, that are next to u before this edge.
  TOPO_INTERP_DEVICE Word next_to(Vertex u, Word set, std::int64_t k) const {
    if (set == 0) return 0;
    Word out = set & sure(u)[k];
    for (Word unsure = set & ~out & maybe(u)[k]; unsure != 0; unsure &= unsure - 1) {
      if (before(u, label_of(k, unsure))) out |= unsure & (~unsure + 1);
    }
    return out;
  }

  // Whether the edge between two labels comes before this one.
  TOPO_INTERP_DEVICE bool before(Vertex a, Vertex b) const {
    const Vertex u = least(scan_.vertex[a], scan_.vertex[b]), v = most(scan_.vertex[a], scan_.vertex[b]);
    if (u == v) return false;
    const float length = scan_.matrix.lengths[scan_.matrix.row(u) + v];
    return length < length_ || (length == length_ && pack_edge<Format>(u, v) < packed_);
  }

  // Takes the component of `start` out of the lune; what is left stands in `rest`. `reached` holds vertices of the component
  // whose neighbors have not all been taken out, those next to `start` at first.
  TOPO_INTERP_DEVICE void grow(Vertex start, const Word* lune, Word* reached, Word* rest) const {
    const std::int64_t words = scan_.shape.words;
    group_.each(words, [&](std::int64_t k) {
      const Word others = k == start / 64 ? lune[k] & ~(Word{1} << (start % 64)) : lune[k];
      reached[k] = next_to(start, others, k);
      rest[k] = others & ~reached[k];
    });
    for (int guess = 0; guess < guesses; ++guess) {
      const Vertex u = likely(guess);
      if (u != nothing && has(reached, u)) absorb(u, reached, rest);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (Vertex u, next = 0; (u = first_of(rest, next)) != nothing; next = u + 1) {
        const bool meets = group_.any(words, [&](std::int64_t k) { return (reached[k] & sure(u)[k]) != 0; }) ||
                           group_.any(words, [&](std::int64_t k) { return next_to(u, reached[k], k) != 0; });
        if (!meets) continue;
        changed = true;
        group_.once([&] {
          rest[u / 64] &= ~(Word{1} << (u % 64));
          reached[u / 64] |= Word{1} << (u % 64);
        });
        absorb(u, reached, rest);
      }
    }
  }
  TOPO_INTERP_DEVICE void absorb(Vertex u, Word* reached, Word* rest) const {
    group_.each(scan_.shape.words, [&](std::int64_t k) {
      const Word add = next_to(u, rest[k], k);
      reached[k] |= add;
      rest[k] &= ~add;
    });
  }

  // The first label of a row of bits, from `next` on.
  TOPO_INTERP_DEVICE Vertex first_of(const Word* row, Vertex next = 0) const {
    const Word found = group_.smallest(scan_.shape.words, [&](std::int64_t k) {
      Word bits = row[k];
      if (k < next / 64) bits = 0;
      if (k == next / 64) bits &= ~Word{0} << (next % 64);
      return bits == 0 ? ~Word{0} : Word{label_of(k, bits)};
    });
    return static_cast<Vertex>(found);  // `nothing` is the end of all ones
  }
  TOPO_INTERP_DEVICE static Vertex label_of(std::int64_t k, Word bits) { return static_cast<Vertex>(k * 64 + lowest_bit(bits)); }

  TOPO_INTERP_DEVICE void record(typename Format::Witness mark) const {
    group_.once([&] { scan_.witness[scan_.matrix.row(i_) + j_] = mark; });
  }
  // What does not fit is counted, and the batch is done again with more room.
  TOPO_INTERP_DEVICE void report(Vertex main, Vertex other) const {
    group_.once([&] {
      const Count place = atomic_add(scan_.found_count, Count{1});
      if (place < scan_.found_room) scan_.found[place] = {position_, packed_, main, other};
    });
  }

  const LinkScan<Format>& scan_;
  const Group& group_;
  const std::uint64_t position_;
  const typename Format::Packed packed_;
  const Vertex i_, j_;  // vertices
  const Vertex a_, b_;  // their labels
  const float length_;
  const Word blocks_;
};

// ---- kernels ----------------------------------------------------------------------------------------------------------------

// Of each vertex the longest and the sum of its edges.
struct RowSummaryBody {
  Condensed matrix;
  float* farthest;
  double* sum;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const auto v = static_cast<std::uint64_t>(index);
    const auto length = [&](std::int64_t u) { return matrix(v, static_cast<std::uint64_t>(u)); };
    const auto n = static_cast<std::int64_t>(matrix.n);
    const double total = group.sum(n, [&](std::int64_t u) { return static_cast<double>(length(u)); });
    const Word shortest = group.smallest(n, [&](std::int64_t u) { return ~Word{length_bits(length(u))}; });
    group.once([&] {
      farthest[v] = bits_length(static_cast<std::uint32_t>(~shortest));
      sum[v] = total;
    });
  }
};

// Whole rows of the matrix.
struct RowsBody {
  Condensed matrix;
  const Vertex* rows;
  float* out;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const std::uint64_t v = rows[index];
    group.each(static_cast<std::int64_t>(matrix.n), [&](std::int64_t u) {
      out[static_cast<std::uint64_t>(index) * matrix.n + static_cast<std::uint64_t>(u)] = matrix(v, static_cast<std::uint64_t>(u));
    });
  }
};

// How many edges of each row are within the cut; where `start` is given, their keys and values from there on, in order.
template <class Format>
struct PackEdgesBody {
  Condensed matrix;
  float cut;
  std::int64_t* counts;
  const std::int64_t* start;
  std::uint32_t* keys;
  typename Format::Packed* edges;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const auto i = static_cast<std::uint64_t>(index);
    const float* const row = matrix.lengths + matrix.row(i) + i + 1;
    const auto enters = [&](std::int64_t k) { return row[k] <= cut && length_bits(row[k]) < 0x7f800000u; };
    const std::int64_t count = group.pack(static_cast<std::int64_t>(matrix.n - 1 - i), enters, [&](std::int64_t k, std::int64_t place) {
      if (start == nullptr) return;
      keys[start[i] + place] = length_bits(row[k]);
      edges[start[i] + place] = pack_edge<Format>(static_cast<Vertex>(i), static_cast<Vertex>(i + 1 + static_cast<std::uint64_t>(k)));
    });
    if (start == nullptr) group.once([&] { counts[i] = count; });
  }
};

// The tile of each edge of a batch: both ends in runs of labels whose rows stay in the cache together.
template <class Format>
struct TileOfEdge {
  static constexpr Vertex width = 512;
  const typename Format::Packed* edges;
  const Vertex* label;
  std::uint32_t side;
  std::uint32_t* keys;
  std::uint32_t* offsets;
  TOPO_INTERP_DEVICE void operator()(std::int64_t k) const {
    const Vertex a = label[first_vertex<Format>(edges[k])] / width, b = label[second_vertex<Format>(edges[k])] / width;
    keys[k] = least(a, b) * side + most(a, b);
    offsets[k] = static_cast<std::uint32_t>(k);
  }
};

template <class Format>
struct EnterEdge {
  const typename Format::Packed* edges;
  const std::uint32_t* offsets;
  const Vertex* label;
  std::int64_t words;
  Word* bits;
  TOPO_INTERP_DEVICE void operator()(std::int64_t k) const {
    const typename Format::Packed edge = edges[offsets[k]];
    const Vertex a = label[first_vertex<Format>(edge)], b = label[second_vertex<Format>(edge)];
    atomic_or(bits + a * words + b / 64, Word{1} << (b % 64));
    atomic_or(bits + b * words + a / 64, Word{1} << (a % 64));
  }
};

struct EnterVertex {
  std::int64_t words;
  Word* bits;
  TOPO_INTERP_DEVICE void operator()(std::int64_t v) const { bits[v * words + v / 64] |= Word{1} << (v % 64); }
};

struct MasksBody {
  RowShape shape;
  BitRowsView rows;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t row, Word*) const {
    Word held = 0, open = 0;
    for (std::int64_t chunk = 0; chunk * shape.chunk < shape.words; ++chunk) {
      const Word* const words = rows.bits + row * shape.words + chunk * shape.chunk;
      held |= Word{group.any(shape.chunk, [&](std::int64_t k) { return words[k] != 0; })} << chunk;
      open |= Word{group.any(shape.chunk, [&](std::int64_t k) { return words[k] != ~Word{0}; })} << chunk;
    }
    group.once([&] {
      rows.held[row] = held;
      rows.open[row] = open;
    });
  }
};

template <class Format>
struct SettleBody {
  LinkScan<Format> scan;
  std::uint64_t start;  // position of the batch
  const std::uint32_t* offsets;
  std::uint32_t* queue;
  Count* queued;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const std::uint32_t offset = offsets[index];
    if (EdgeLink<Format, Group>(scan, group, start + offset).settle()) return;
    group.once([&] { queue[atomic_add(queued, Count{1})] = offset; });
  }
};

template <class Format>
struct ResolveBody {
  LinkScan<Format> scan;
  std::uint64_t start;
  const std::uint32_t* queue;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word* scratch) const {
    EdgeLink<Format, Group>(scan, group, start + queue[index]).resolve(scratch);
  }
};

}  // namespace topo_interp::cuda
