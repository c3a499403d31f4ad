#include "rips/links.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <mutex>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "parallel.hpp"
#include "rips/relations.hpp"

namespace topo_interp {

void ScanFound::add_square(std::uint64_t position, Vertex main, Vertex other) { squares.push_back({position, main, other}); }
void ScanFound::add_empty(std::uint64_t position) { empty.push_back(position); }

namespace {

constexpr const char* wrong_witness = "a witness is no vertex whose edges to both ends come before the edge";

// Whether k lies in the lune of the edge (i, j), i < j: its edges to both ends come before that edge.
bool in_lune(const Condensed& matrix, Vertex i, Vertex j, Vertex k) {
  if (k >= matrix.n || k == i || k == j) return false;
  const auto key = [&](Vertex u, Vertex v) {
    if (u > v) std::swap(u, v);
    return std::tuple(length_bits(matrix.lengths[matrix.row(u) + v]), u, v);
  };
  return std::max(key(i, k), key(j, k)) < key(i, j);
}

// The complete graph, as the reduction sees it. `checked`: the witnesses came from elsewhere, and one that is not before its
// edge is an error; the reduction would else never end.
template <class Format, bool checked = false>
class DenseGraph {
 public:
  using Key = typename Format::Key;
  enum Kind { merge, birth, witnessed };
  struct Class {
    Kind kind;
    std::uint32_t what;  // birth index, or the witness
  };

  DenseGraph(const Condensed& matrix, const typename Format::Witness* witness, const std::vector<EdgeEnds>& births)
      : matrix_(matrix), witness_(witness) {
    index_.reserve(births.size());
    for (std::size_t k = 0; k < births.size(); ++k) {
      index_.emplace(pack_edge<Format>(births[k].i, births[k].j), static_cast<std::uint32_t>(k));
    }
  }
  Key key(Vertex i, Vertex j) const {
    return (static_cast<Key>(length_bits(matrix_.lengths[matrix_.row(i) + j])) << (2 * Format::shift)) |
           pack_edge<Format>(i, j);
  }
  EdgeEnds ends(Key key) const {
    const auto edge = static_cast<typename Format::Packed>(key);
    return {first_vertex<Format>(edge), second_vertex<Format>(edge)};
  }
  Class classify(Key key) const {
    const auto [i, j] = ends(key);
    const auto mark = witness_[matrix_.row(i) + j];
    if (mark == merge_mark<Format>) return {merge, 0};
    if (mark == birth_mark<Format>) return {birth, index_.at(pack_edge<Format>(i, j))};
    if constexpr (checked) {
      if (!in_lune(matrix_, i, j, mark)) throw std::invalid_argument(wrong_witness);
    }
    return {witnessed, mark};
  }

 private:
  const Condensed& matrix_;
  const typename Format::Witness* witness_;
  std::unordered_map<typename Format::Packed, std::uint32_t> index_;
};

constexpr std::uint64_t batch_share = 16;  // a batch is at most this part of the edges before it

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

  void group(const typename Format::Packed* first, std::uint64_t count, const Guides& guides, int width, std::uint64_t side, Crew& crew) {
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
      std::atomic<std::uint64_t> next{0};
      crew.run([&](int) {
        for (std::uint64_t part; (part = next++) < parts;) {
          for (std::uint64_t k = count * part / parts; k < count * (part + 1) / parts; ++k) body(at[part].data(), k);
        }
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
    const std::uint64_t least = std::clamp<std::uint64_t>(start / 2, 256, 8192);
    const std::uint64_t count = std::min(sorted.count - start, std::max(least, start / batch_share));
    Crew& team = count < 4096 ? alone : crew;
    tiles.group(sorted.edges.get() + start, count, guides, shape.label_bits, side, team);
    const auto for_pieces = [&](std::uint64_t pieces, auto&& body) {
      std::atomic<std::uint64_t> next{0};
      team.run([&](int thread) {
        for (std::uint64_t piece; (piece = next++) < pieces && !control.stopped();) body(piece, thread);
      });
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

// From what a scan found, in the order of the edges, to bars. Marks the edges that join two components in `witness`.
template <class Format, bool checked>
void reduce_found(const Condensed& matrix, typename Format::Witness* witness, const FoundLinks& found,
                  LinksResult& result, Control& control) {
  Forest forest(matrix.n);
  std::vector<Death> deaths;
  deaths.reserve(found.squares.size());
  const DenseGraph<Format, checked> order(matrix, witness, {});
  auto square = found.squares.begin();
  const auto take_squares = [&](const EdgeEnds* before) {
    for (; square != found.squares.end(); ++square) {
      if (before && order.key(before->i, before->j) < order.key(square->edge.i, square->edge.j)) return;
      deaths.push_back({square->edge, square->main, square->other, result.birth_edges.size()});
    }
  };
  for (const EdgeEnds& edge : found.empty) {
    take_squares(&edge);
    const bool merges = forest.join(edge.i, edge.j);
    (merges ? result.merge_edges : result.birth_edges).push_back(edge);
    if (merges) witness[matrix.row(edge.i) + edge.j] = merge_mark<Format>;
  }
  take_squares(nullptr);
  reduce(DenseGraph<Format, checked>(matrix, witness, result.birth_edges), deaths, result, control);
  const auto lengths = [&](const std::vector<EdgeEnds>& edges, std::vector<float>& out) {
    for (const EdgeEnds& edge : edges) out.push_back(matrix(edge.i, edge.j));
  };
  lengths(result.merge_edges, result.merge_lengths);
  lengths(result.birth_edges, result.birth_lengths);
  lengths(result.death_edges, result.death_lengths);
}

template <class Format>
std::unique_ptr<typename Format::Witness[]> run(const Condensed& matrix, const LinksOptions& options, LinksResult& result,
                                               Control& control) {
  const auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  double clock = now();
  const auto lap = [&](int phase) { result.seconds[phase] += now() - clock; clock = now(); };
  const std::uint64_t n = matrix.n;
  control.phase = static_cast<int>(LinksPhase::order);
  const RowSummary rows = summarize_rows(matrix, options.threads, control);
  result.complete = rows.radius <= options.threshold && std::isfinite(rows.radius);
  result.cut = result.complete ? rows.radius : options.threshold;
  const SortedEdges<Format> sorted = sort_edges<Format>(matrix, result.cut, options.threads, control);
  if (control.stopped()) return nullptr;
  result.edges = sorted.count;
  lap(0);

  const auto edge_at = [&](std::uint64_t position) {
    return EdgeEnds{first_vertex<Format>(sorted.edges[position]), second_vertex<Format>(sorted.edges[position])};
  };
  if (options.max_dim == 0) {
    Forest forest(n);
    for (std::uint64_t position = 0; position < sorted.count && result.merge_edges.size() + 1 < n; ++position) {
      if (position % 65536 == 0 && control.stopped()) return nullptr;
      const EdgeEnds edge = edge_at(position);
      if (!forest.join(edge.i, edge.j)) continue;
      result.merge_edges.push_back(edge);
      result.merge_lengths.push_back(matrix(edge.i, edge.j));
    }
    return nullptr;
  }

  control.phase = static_cast<int>(LinksPhase::links);
  control.total = static_cast<std::int64_t>(sorted.count);
  const Guides guides = make_guides(
      rows, [&](const std::vector<Vertex>& from) { return distances_from(matrix, from, options.threads); }, options.threads, control);
  lap(1);
  auto witness = std::make_unique_for_overwrite<typename Format::Witness[]>(matrix.size());
  ScanFound found = scan_all(matrix, sorted, guides, witness.get(), options, control);
  if (control.stopped()) return nullptr;
  result.scan = found.counts;
  lap(2);

  control.phase = static_cast<int>(LinksPhase::reduce);
  FoundLinks ends;
  ends.empty.reserve(found.empty.size());
  ends.squares.reserve(found.squares.size());
  for (const std::uint64_t position : found.empty) ends.empty.push_back(edge_at(position));
  for (const Square& square : found.squares) ends.squares.push_back({edge_at(square.position), square.main, square.other});
  reduce_found<Format, false>(matrix, witness.get(), ends, result, control);
  lap(3);
  return witness;
}

}  // namespace

namespace {

template <class Format>
Cochain extend(const Condensed& matrix, const LinksResult& links, const typename Format::Witness* witness,
               const std::uint32_t* births, float at, int threads, Control& control) {
  const Field field(links.field);
  const SortedEdges<Format> sorted = sort_edges<Format>(matrix, std::min(at, links.cut), threads, control);
  const auto eta = std::make_unique_for_overwrite<std::uint32_t[]>(matrix.size());
  const auto oriented = [&](Vertex u, Vertex v) {
    return u < v ? eta[matrix.row(u) + v] : field.negate(eta[matrix.row(v) + u]);
  };
  Cochain out;
  out.edges.reserve(sorted.count);
  out.values.reserve(sorted.count);
  std::size_t birth = 0;
  for (std::uint64_t position = 0; position < sorted.count; ++position) {
    if (position % 65536 == 0 && control.stopped()) break;
    const Vertex i = first_vertex<Format>(sorted.edges[position]), j = second_vertex<Format>(sorted.edges[position]);
    const auto mark = witness[matrix.row(i) + j];
    std::uint32_t value = 0;
    if (mark == birth_mark<Format>) {
      value = births[birth++];
    } else if (mark != merge_mark<Format>) {
      value = field.add(oriented(i, mark), oriented(mark, j));
    }
    eta[matrix.row(i) + j] = value;
    out.edges.push_back({i, j});
    out.values.push_back(value);
  }
  return out;
}

template <class Format>
Chain expand(const Condensed& matrix, const LinksResult& links, const typename Format::Witness* witness, const Vertex* ends,
             const std::uint32_t* values, std::uint64_t count) {
  const Field field(links.field);
  const DenseGraph<Format> graph(matrix, witness, links.birth_edges);
  Expander<DenseGraph<Format>> expander(graph, field);
  for (std::uint64_t k = 0; k < count; ++k) expander.push(ends[2 * k], ends[2 * k + 1], values[k]);
  Chain out;
  std::uint64_t steps = 0;
  expander.expand(
      [&](std::uint32_t row, std::uint32_t value) {
        out.rows.push_back(row);
        out.values.push_back(value);
      },
      steps);
  return out;
}

}  // namespace

Cochain extend_cochain(const Condensed& matrix, const LinksResult& links, const std::uint32_t* births, float at, int threads,
                       Control& control) {
  if (links.wide) return extend<Wide>(matrix, links, links.wide.get(), births, at, threads, control);
  return extend<Narrow>(matrix, links, links.narrow.get(), births, at, threads, control);
}

Chain expand_chain(const Condensed& matrix, const LinksResult& links, const Vertex* ends, const std::uint32_t* values,
                   std::uint64_t count) {
  if (links.wide) return expand<Wide>(matrix, links, links.wide.get(), ends, values, count);
  return expand<Narrow>(matrix, links, links.narrow.get(), ends, values, count);
}

namespace {

template <class Format>
void check_found(const Condensed& matrix, const typename Format::Witness* witness, const FoundLinks& found, bool all, int threads) {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> sound{true};
  run_threads(threads, [&](int) {
    for (std::uint64_t row; (row = next++) + 1 < matrix.n && sound.load(std::memory_order_relaxed);) {
      const auto i = static_cast<Vertex>(row);
      for (Vertex j = i + 1; j < matrix.n; ++j) {
        const float length = matrix.lengths[matrix.row(i) + j];
        const auto mark = witness[matrix.row(i) + j];
        if (!(length <= found.cut) || mark == merge_mark<Format> || mark == birth_mark<Format>) continue;
        if (mark >= matrix.n || (all && !in_lune(matrix, i, j, mark))) sound = false;
      }
    }
  });
  if (!sound) throw std::invalid_argument(wrong_witness);
  const DenseGraph<Format> order(matrix, witness, {});
  const auto check_edges = [&](const auto& list, auto&& ends, bool strictly) {
    for (std::size_t k = 0; k < list.size(); ++k) {
      const EdgeEnds edge = ends(list[k]);
      bool right = edge.i < edge.j && edge.j < matrix.n && matrix(edge.i, edge.j) <= found.cut;
      if (right && k > 0) {
        const EdgeEnds before = ends(list[k - 1]);
        const auto a = order.key(before.i, before.j), b = order.key(edge.i, edge.j);
        right = strictly ? a < b : a <= b;
      }
      if (!right) throw std::invalid_argument("the edges that a scan found are not in order, or longer than its cut");
    }
  };
  check_edges(found.empty, [](const EdgeEnds& edge) { return edge; }, true);
  check_edges(found.squares, [](const FoundSquare& square) { return square.edge; }, false);
  for (const FoundSquare& square : found.squares) {
    if (!in_lune(matrix, square.edge.i, square.edge.j, square.main) || !in_lune(matrix, square.edge.i, square.edge.j, square.other)) {
      throw std::invalid_argument(wrong_witness);
    }
  }
}

template <class Format>
LinksResult reduce_scan(const Condensed& matrix, typename Format::Witness* witness, const FoundLinks& found, const LinksOptions& options,
                        bool keep, Control& control, std::unique_ptr<typename Format::Witness[]> LinksResult::*kept) {
  LinksResult result;
  result.n = matrix.n;
  result.field = options.field;
  result.cut = found.cut;
  result.complete = found.complete;
  result.edges = found.edges;
  result.witnesses = matrix.size();
  Field{options.field};
  if (matrix.n > Format::vertex_limit) throw std::invalid_argument("these witnesses have too few bits for so many points");
  control.phase = static_cast<int>(LinksPhase::reduce);
  const auto began = std::chrono::steady_clock::now();
  check_found<Format>(matrix, witness, found, keep, options.threads);
  reduce_found<Format, true>(matrix, witness, found, result, control);
  if (keep) {
    result.*kept = std::make_unique_for_overwrite<typename Format::Witness[]>(matrix.size());
    std::copy_n(witness, matrix.size(), (result.*kept).get());
  }
  result.seconds[3] = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace

LinksResult links_of_scan(const Condensed& matrix, std::uint16_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control) {
  return reduce_scan<Narrow>(matrix, witness, found, options, keep, control, &LinksResult::narrow);
}

LinksResult links_of_scan(const Condensed& matrix, std::uint32_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control) {
  return reduce_scan<Wide>(matrix, witness, found, options, keep, control, &LinksResult::wide);
}

LinksResult links_of_matrix(const Condensed& matrix, const LinksOptions& options, Control& control) {
  LinksResult result;
  result.n = matrix.n;
  result.field = options.field;
  Field{options.field};
  result.witnesses = matrix.n < 2 ? 0 : matrix.size();
  if (matrix.n < 2) {
    result.complete = true;
    return result;
  }
  if (options.wide || matrix.n > Narrow::vertex_limit) {
    result.wide = run<Wide>(matrix, options, result, control);
  } else {
    result.narrow = run<Narrow>(matrix, options, result, control);
  }
  return result;
}

}  // namespace topo_interp
