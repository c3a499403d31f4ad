#include "rips/links.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <mutex>
#include <unordered_map>

#include "rips/parallel.hpp"

namespace topo_interp {
namespace {

class Forest {
 public:
  explicit Forest(std::uint64_t n) : parent_(n), size_(n, 1) { std::iota(parent_.begin(), parent_.end(), Vertex{0}); }
  bool join(Vertex u, Vertex v) {
    u = root(u);
    v = root(v);
    if (u == v) return false;
    if (size_[u] < size_[v]) std::swap(u, v);
    parent_[v] = u;
    size_[u] += size_[v];
    return true;
  }

 private:
  Vertex root(Vertex v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  std::vector<Vertex> parent_, size_;
};

// The complete graph, as the reduction sees it.
template <class Format>
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
    return {witnessed, mark};
  }

 private:
  const Condensed& matrix_;
  const typename Format::Witness* witness_;
  std::unordered_map<typename Format::Packed, std::uint32_t> index_;
};

struct Death {
  EdgeEnds edge;
  Vertex main, other;
};

template <class Graph>
void reduce(const Graph& graph, const std::vector<Death>& deaths, LinksResult& result, Control& control) {
  const Field field(result.field);
  Expander<Graph> expander(graph, field);
  PivotColumn column(result.birth_edges.size(), field);
  std::vector<std::uint32_t> owner(result.birth_edges.size(), none);
  Columns& relations = result.relations;
  ReduceCounts& counts = result.reduce;
  const std::uint32_t minus = field.negate(1);
  control.done = 0;
  control.total = static_cast<std::int64_t>(deaths.size());
  for (const Death& death : deaths) {
    if (control.stopped()) return;
    control.done.fetch_add(1);
    ++counts.columns;
    const auto [i, j] = death.edge;
    expander.start();
    expander.push(i, death.main, 1);
    expander.push(death.main, j, 1);
    expander.push(i, death.other, minus);
    expander.push(death.other, j, minus);
    expander.expand([&](std::uint32_t row, std::uint32_t value) { column.add(row, value); }, counts.expanded);
    std::uint32_t pivot;
    while ((pivot = column.pivot()) != none && owner[pivot] != none) {
      const std::uint64_t first = relations.start[owner[pivot]], last = relations.start[owner[pivot] + 1];
      const std::uint32_t factor = field.negate(column.value(pivot));  // stored pivots are one
      ++counts.additions;
      counts.added += last - first;
      for (std::uint64_t k = first; k < last; ++k) {
        column.add(relations.rows[k], field.p() == 2 ? 1 : field.times(factor, relations.values[k]));
      }
    }
    if (pivot == none) {
      ++counts.zero;
      continue;
    }
    owner[pivot] = static_cast<std::uint32_t>(relations.size());
    result.relation_pivots.push_back(pivot);
    const std::uint32_t scale = field.inverse(column.value(pivot));
    column.drain([&](std::uint32_t row, std::uint32_t value) {
      relations.rows.push_back(row);
      if (field.p() != 2) relations.values.push_back(field.times(scale, value));
    });
    relations.start.push_back(relations.rows.size());
    result.death_edges.push_back(death.edge);
  }
}

template <class Format>
std::unique_ptr<typename Format::Witness[]> run(const Condensed& matrix, const LinksOptions& options, LinksResult& result,
                                               Control& control) {
  const auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  double clock = now();
  const auto lap = [&](int phase) { result.seconds[phase] += now() - clock; clock = now(); };
  const std::uint64_t n = matrix.n;
  control.phase = static_cast<int>(LinksPhase::order);
  const Enclosing enclosing = enclosing_radius(matrix, options.threads, control);
  result.complete = enclosing.radius <= options.threshold && std::isfinite(enclosing.radius);
  result.cut = result.complete ? enclosing.radius : options.threshold;
  const SortedEdges<Format> sorted = sort_edges<Format>(matrix, result.cut, options.threads, control);
  if (control.stopped()) return nullptr;
  result.edges = sorted.count;
  lap(0);

  const auto edge_at = [&](std::uint64_t position) {
    return EdgeEnds{first_vertex<Format>(sorted.edges[position]), second_vertex<Format>(sorted.edges[position])};
  };
  const auto lengths = [&](const std::vector<EdgeEnds>& edges, std::vector<float>& out) {
    for (const EdgeEnds& edge : edges) out.push_back(matrix(edge.i, edge.j));
  };
  Forest forest(n);
  if (options.max_dim == 0) {
    for (std::uint64_t position = 0; position < sorted.count && result.merge_edges.size() + 1 < n; ++position) {
      if (position % 65536 == 0 && control.stopped()) return nullptr;
      const EdgeEnds edge = edge_at(position);
      if (forest.join(edge.i, edge.j)) result.merge_edges.push_back(edge);
    }
    lengths(result.merge_edges, result.merge_lengths);
    return nullptr;
  }

  control.phase = static_cast<int>(LinksPhase::links);
  control.total = static_cast<std::int64_t>(sorted.count);
  const Guides guides = make_guides(matrix, enclosing.center, options.threads, control);
  lap(1);
  auto witness = std::make_unique_for_overwrite<typename Format::Witness[]>(matrix.size());
  const std::uint64_t chunk = std::max<std::uint64_t>(1024, sorted.count / 512);
  const std::uint64_t units = (sorted.count + chunk - 1) / chunk;
  std::vector<std::vector<Square>> squares(units);
  std::vector<std::vector<std::uint64_t>> empty(units);
  std::atomic<std::uint64_t> next{0};
  const ScanTask<Format> task{sorted.edges.get(), sorted.count, n, &guides, witness.get(), matrix, chunk,
                              &next,              &squares,     &empty, &control};
  std::mutex mutex;
  run_threads(options.threads, [&](int) {
    const ScanCounts counts = scan_links(task, options.isa);
    std::lock_guard<std::mutex> lock(mutex);
    result.scan.guessed += counts.guessed;
    result.scan.grown += counts.grown;
    result.scan.rows += counts.rows;
  });
  if (control.stopped()) return nullptr;
  lap(2);

  control.phase = static_cast<int>(LinksPhase::reduce);
  for (const std::vector<std::uint64_t>& unit : empty) {
    for (const std::uint64_t position : unit) {
      const EdgeEnds edge = edge_at(position);
      const bool merges = forest.join(edge.i, edge.j);
      (merges ? result.merge_edges : result.birth_edges).push_back(edge);
      if (merges) witness[matrix.row(edge.i) + edge.j] = merge_mark<Format>;
    }
  }
  std::vector<Death> deaths;
  for (const std::vector<Square>& unit : squares) {
    for (const Square& square : unit) {
      deaths.push_back({edge_at(square.position), square.main, square.other});
    }
  }
  reduce(DenseGraph<Format>(matrix, witness.get(), result.birth_edges), deaths, result, control);
  lengths(result.merge_edges, result.merge_lengths);
  lengths(result.birth_edges, result.birth_lengths);
  lengths(result.death_edges, result.death_lengths);
  lap(3);
  return witness;
}

}  // namespace

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
