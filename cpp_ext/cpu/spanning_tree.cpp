#include "cpu/spanning_tree.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "cpu/component_edges.hpp"
#include "cpu/neighbors.hpp"
#include "forest.hpp"

// Why the lists are enough. The smallest edge that leaves a component belongs to the tree (cut property). The list of a row
// holds its k smallest edges, in the order of edges, so that its first entry outside the component is the row's smallest
// edge that leaves. A row whose entries all lie inside says only that its edges that leave come after its last entry. So the
// best first entry of a component is its smallest leaving edge if it comes before the last entry of every row used up.
// Components for which it does not wait: they may grow by the edges of others, and when none is settled, the rows that
// stand in the way are looked at again.

namespace topo_interp {
namespace {

template <class T>
class Boruvka {
 public:
  Boruvka(const DistanceSource<T>& source, const SpanningTreeOptions& options, Control& control)
      : source_(source),
        options_(options),
        control_(control),
        n_(source.size()),
        forest_(static_cast<std::uint64_t>(n_)),
        label_(static_cast<std::size_t>(n_)),
        cursor_(static_cast<std::size_t>(n_), 0) {}

  SpanningTree<T> run() {
    control_.phase.store(0);
    lists_.emplace(nearest_neighbors(source_, std::min(options_.neighbors, n_ - 1), options_.threads, control_));
    while (forest_.components() > 1) {
      if (control_.stopped()) throw Interrupted();
      if (round()) continue;
      const std::vector<std::int32_t> rows = rows_in_the_way();
      const double refreshed = static_cast<double>(tree_.work.refreshed) + static_cast<double>(rows.size());
      if (refreshed > options_.refresh_share * static_cast<double>(n_) && forest_.components() <= largest_table()) {
        join_by_table();
      } else {
        control_.phase.store(1);
        nearest_of_other_label(source_, rows, label_, *lists_, options_.threads, control_);
        for (const std::int32_t i : rows) cursor_[at(i)] = 0;
        tree_.work.refreshed += static_cast<std::int64_t>(rows.size());
      }
    }
    std::sort(tree_.edges.begin(), tree_.edges.end());
    return std::move(tree_);
  }

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  static Edge<T> edge(std::int32_t i, const Neighbor<T>& to) {
    return {to.distance, std::min(i, to.index), std::max(i, to.index)};
  }
  // Comes after every edge.
  static constexpr Edge<T> none() {
    return {std::numeric_limits<T>::infinity(), std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::max()};
  }

  void label_rows() {
    for (std::int64_t i = 0; i < n_; ++i) label_[at(i)] = forest_.root(static_cast<std::int32_t>(i));
  }

  bool used_up(std::int64_t i) const { return cursor_[at(i)] == lists_->size(i); }

  // One round of Boruvka's algorithm on the components that are settled; false when none is.
  bool round() {
    ++tree_.work.rounds;
    label_rows();
    best_.assign(at(n_), none());
    limit_.assign(at(n_), none());
    for (std::int64_t i = 0; i < n_; ++i) {
      const Neighbor<T>* list = lists_->row(i);
      const std::size_t own = at(label_[at(i)]);
      while (!used_up(i) && label_[at(list[cursor_[at(i)]].index)] == label_[at(i)]) ++cursor_[at(i)];
      if (used_up(i)) {
        limit_[own] = std::min(limit_[own], edge(static_cast<std::int32_t>(i), list[lists_->size(i) - 1]));
      } else {
        best_[own] = std::min(best_[own], edge(static_cast<std::int32_t>(i), list[cursor_[at(i)]]));
      }
    }
    bool settled = false;
    for (std::int64_t component = 0; component < n_; ++component) {
      if (label_[at(component)] != component || !(best_[at(component)] < limit_[at(component)])) continue;
      settled = true;
      add(best_[at(component)]);
    }
    return settled;
  }

  void add(const Edge<T>& edge) {
    if (forest_.join(edge.i, edge.j)) tree_.edges.push_back(edge);
  }

  // The rows used up whose unknown edges may come before the best known edge of their component. The largest component is
  // left out: when all others are settled, half of the components are gone, whatever it does.
  std::vector<std::int32_t> rows_in_the_way() const {
    std::vector<std::int32_t> size(at(n_), 0);
    for (const std::int32_t component : label_) ++size[at(component)];
    const std::int32_t largest = static_cast<std::int32_t>(std::max_element(size.begin(), size.end()) - size.begin());
    std::vector<std::int32_t> rows;
    for (std::int64_t i = 0; i < n_; ++i) {
      const std::int32_t own = label_[at(i)], row = static_cast<std::int32_t>(i);
      if (own == largest || !used_up(i)) continue;
      if (edge(row, lists_->row(i)[lists_->size(i) - 1]) < best_[at(own)]) rows.push_back(row);
    }
    return rows;
  }

  // Components whose table takes no more than some 800 bytes for each point.
  std::int64_t largest_table() const {
    if (options_.table > 0) return options_.table;
    std::int64_t most = 1;
    while ((most + 1) * (most + 1) <= 64 * n_) ++most;
    return most;
  }

  // One more look at the pairs keeps the smallest edges between components; the tree of these is the rest.
  void join_by_table() {
    control_.phase.store(2);
    const std::int64_t count = forest_.components();
    std::vector<std::int32_t> place(at(n_)), roots;
    for (std::int32_t i = 0; i < n_; ++i) {
      if (label_[at(i)] != i) continue;
      place[at(i)] = static_cast<std::int32_t>(roots.size());
      roots.push_back(i);
    }
    for (std::int32_t& label : label_) label = place[at(label)];  // 0 .. count - 1 from here on
    tree_.work.components = count;
    for (const Edge<T>& edge : edges_between_components(source_, label_, roots, options_.threads, control_, tree_.work.tiles)) add(edge);
  }

  const DistanceSource<T>& source_;
  const SpanningTreeOptions& options_;
  Control& control_;
  const std::int64_t n_;
  Forest forest_;
  SpanningTree<T> tree_;
  std::optional<NeighborLists<T>> lists_;
  std::vector<std::int32_t> label_;   // root of each row
  std::vector<std::int64_t> cursor_;  // first entry of each list that is not known to lie inside
  std::vector<Edge<T>> best_, limit_;  // by root
};

}  // namespace

template <class T>
SpanningTree<T> spanning_tree(const DistanceSource<T>& source, const SpanningTreeOptions& options, Control& control) {
  if (source.size() < 2) return {};
  return Boruvka<T>(source, options, control).run();
}

template SpanningTree<float> spanning_tree(const DistanceSource<float>&, const SpanningTreeOptions&, Control&);
template SpanningTree<double> spanning_tree(const DistanceSource<double>&, const SpanningTreeOptions&, Control&);

}  // namespace topo_interp
