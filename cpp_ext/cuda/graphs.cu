#include "cuda/graphs.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "cuda/rounding.cuh"
#include "cuda/tiles.cuh"
#include "cuda/warps.cuh"
#include "forest.hpp"
#include "rips/edge_order.hpp"

namespace topo_interp::cuda {
namespace {

struct CondensedEntry {
  Condensed matrix;
  std::uint64_t i0, j0, columns;
  float* out;
  TOPO_INTERP_DEVICE void operator()(std::int64_t k) const {
    const auto at = static_cast<std::uint64_t>(k);
    out[at] = matrix(i0 + at / columns, j0 + at % columns);
  }
};

class CondensedBlocks final : public DistanceBlocks<float> {
 public:
  CondensedBlocks(const Execution& on, const Condensed& matrix, const Control& control)
      : lengths_(static_cast<std::int64_t>(matrix.size())), matrix_{lengths_.data(), matrix.n} {
    copy_in_slices(on, lengths_.data(), matrix.lengths, lengths_.size(), control);
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(matrix_.n); }
  void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, float* out) override {
    launch_items(on, (i1 - i0) * (j1 - j0), CondensedEntry{matrix_, static_cast<std::uint64_t>(i0), static_cast<std::uint64_t>(j0),
                                                           static_cast<std::uint64_t>(j1 - j0), out});
  }

  void row(const Execution& on, std::int64_t i, float* out) override { block(on, i, i + 1, 0, size(), out); }

 private:
  const DeviceBuffer<float> lengths_;
  const Condensed matrix_;
};

template <class T>
class PointBlocks final : public DistanceBlocks<T> {
 public:
  PointBlocks(const Execution& on, const GivenPoints& points, MetricKind metric, std::int64_t tiles, std::int64_t fixed,
              std::int64_t budget, const Control& control)
      : plan_(plan_memory({points.rows, prepared_row_bytes<T>(points, metric), static_cast<std::int64_t>(sizeof(T)), tiles, fixed},
                          budget_of(budget))),
        preparation_({points}, metric, on),
        cloud_(points, preparation_, plan_.side, plan_.streamed, on, control),
        maker_(preparation_.rules(), on, true),
        chosen_(1) {}
  std::int64_t size() const override { return cloud_.rows(); }
  std::int64_t side() const override { return cloud_.side(); }
  void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, T* out) override {
    const Operand<T> x = cloud_.block(i0 / side()), y = cloud_.block(j0 / side());
    maker_.panel(x, y, i0 == j0, out, j1 - j0);
    if (i0 == j0) complete_diagonal(on, out, i1 - i0, j1 - j0);
  }
  void row(const Execution&, std::int64_t i, T* out) override {
    const Operand<T> chosen = chosen_.choose(cloud_, {static_cast<std::int32_t>(i)});
    for (std::int64_t b = 0; b < cloud_.blocks(); ++b) {
      maker_.panel(chosen, cloud_.block(b), false, out + cloud_.first_row(b), size());
      cloud_.prefetch(b + 1);
    }
  }
  double rounding() const override { return proved_rounding(preparation_, maker_.stats()); }

 private:
  const MemoryPlan plan_;
  const Preparation<T> preparation_;
  Cloud<T> cloud_;
  PanelMaker<T> maker_;
  ChosenRows<T> chosen_;
};

// Bits that compare as the lengths do: those of numbers that are not negative.
TOPO_INTERP_DEVICE Word order_of(float length) { return length_bits(length); }
TOPO_INTERP_DEVICE Word order_of(double length) { return bits_of(length + 0.0); }
float length_of(Word order, float) { return bits_length(static_cast<std::uint32_t>(order)); }
double length_of(Word order, double) { return from_bits(order); }

// The nearest vertex of another component. For the neighbors of one row, (length, index) orders as its edges (length, i, j) do.
// Kernels follow one another on the stream and each entry has one writer in each.
struct Nearest {
  Word* order;
  std::uint32_t* index;
  TOPO_INTERP_DEVICE void see(std::int64_t row, Word other_order, std::uint32_t other_index) const {
    if (other_order > order[row] || (other_order == order[row] && other_index >= index[row])) return;
    order[row] = other_order;
    index[row] = other_index;
  }
};

// For each row of a block, over its columns.
template <class T>
struct RowNearestBody {
  const T* block;
  std::int64_t i0, j0, columns;
  const std::int32_t* label;
  Nearest nearest;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t row, Word*) const {
    const std::int32_t own = label[i0 + row];
    const T* const lengths = block + row * columns;
    const auto order = [&](std::int64_t k) { return label[j0 + k] == own ? ~Word{0} : order_of(lengths[k]); };
    const Word shortest = group.smallest(columns, order);
    if (shortest == ~Word{0}) return;
    const Word index = group.smallest(columns, [&](std::int64_t k) { return order(k) == shortest ? static_cast<Word>(j0 + k) : ~Word{0}; });
    group.once([&] { nearest.see(i0 + row, shortest, static_cast<std::uint32_t>(index)); });
  }
};

// Takes a new landmark into account and finds, in each run of rows, the one that is farthest from all: the first of several.
template <class T>
struct LandmarkBody {
  static constexpr std::int64_t run_length = 4096;
  const T* lengths;  // from the new landmark; null when it only looks
  std::int64_t n, place;
  T* distance;
  std::int64_t* nearest;
  const std::uint8_t* chosen;
  Word* order;  // by run, the complement of one more than the greatest; all ones where every row is chosen
  Word* row;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const std::int64_t first = index * run_length, count = least(run_length, n - first);
    const auto far = [&](std::int64_t k) { return chosen[first + k] ? ~Word{0} : ~(order_of(distance[first + k]) + 1); };
    const Word farthest = group.smallest(count, [&](std::int64_t k) {
      const std::int64_t at = first + k;
      if (lengths != nullptr && lengths[at] < distance[at]) {
        distance[at] = lengths[at];
        nearest[at] = place;
      }
      return far(k);
    });
    const Word found = group.smallest(count, [&](std::int64_t k) { return far(k) == farthest ? static_cast<Word>(first + k) : ~Word{0}; });
    group.once([&] {
      order[index] = farthest;
      row[index] = found;
    });
  }
};

}  // namespace

std::unique_ptr<DistanceBlocks<float>> blocks_of_matrix(const Execution& on, const Condensed& matrix, const Control& control) {
  return std::make_unique<CondensedBlocks>(on, matrix, control);
}

template <class T>
std::unique_ptr<DistanceBlocks<T>> blocks_of_points(const Execution& on, const GivenPoints& points, MetricKind metric,
                                                    std::int64_t tiles, std::int64_t fixed, std::int64_t budget,
                                                    const Control& control) {
  return std::make_unique<PointBlocks<T>>(on, points, metric, tiles, fixed, budget, control);
}

template <class T>
SpanningTree<T> spanning_tree(const Execution& on, DistanceBlocks<T>& distances, const BlockShape& shape, Control& control) {
  const std::int64_t n = distances.size();
  SpanningTree<T> tree;
  Forest forest(static_cast<std::uint64_t>(n));
  std::vector<std::int32_t> label(static_cast<std::size_t>(n));
  const DeviceBuffer<std::int32_t> labels(n);
  const DeviceBuffer<Word> order(n);
  const DeviceBuffer<std::uint32_t> index(n);
  const Nearest nearest{order.data(), index.data()};
  const std::int64_t side = distances.side();
  const std::int64_t height = std::min(side > 0 ? side : shape.rows, n), width = std::min(side > 0 ? side : shape.columns, n);
  const DeviceBuffer<T> block(height * width), turned(height * width);
  std::vector<Edge<T>> best(static_cast<std::size_t>(n));
  constexpr Edge<T> none{std::numeric_limits<T>::infinity(), std::numeric_limits<std::int32_t>::max(), -1};
  while (static_cast<std::int64_t>(tree.edges.size()) + 1 < n) {
    ++tree.work.rounds;
    for (std::int64_t i = 0; i < n; ++i) label[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(forest.root(static_cast<Vertex>(i)));
    copy(on, labels.data(), static_cast<const std::int32_t*>(label.data()), n);
    fill_bytes(on, order.data(), 0xff, n);
    fill_bytes(on, index.data(), 0xff, n);
    control.done.store(0);
    control.total.store(n);
    for (std::int64_t i0 = 0; i0 < n; i0 += height) {
      const std::int64_t i1 = std::min(i0 + height, n);
      // Columns from the rows' own block on: the pairs before were seen from the other side.
      for (std::int64_t j0 = i0; j0 < n; j0 += width) {
        const std::int64_t j1 = std::min(j0 + width, n);
        distances.block(on, i0, i1, j0, j1, block.data());
        launch_warps(on, i1 - i0, RowNearestBody<T>{block.data(), i0, j0, j1 - j0, labels.data(), nearest});
        transpose<T>(on, block.data(), j1 - j0, i1 - i0, j1 - j0, turned.data(), i1 - i0);
        launch_warps(on, j1 - j0, RowNearestBody<T>{turned.data(), j0, i0, i1 - i0, labels.data(), nearest});
        synchronize(on);
        if (control.stopped()) throw Interrupted();
      }
      control.done.store(i1);
    }
    const std::vector<Word> orders = to_host(on, order.data(), n);
    const std::vector<std::uint32_t> others = to_host(on, index.data(), n);
    std::fill(best.begin(), best.end(), none);
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (others[i] == nothing) continue;
      const auto row = static_cast<std::int32_t>(i), other = static_cast<std::int32_t>(others[i]);
      Edge<T>& kept = best[static_cast<std::size_t>(label[i])];
      kept = std::min(kept, Edge<T>{length_of(orders[i], T{}), std::min(row, other), std::max(row, other)});
    }
    const std::size_t before = tree.edges.size();
    for (const Edge<T>& edge : best) {
      if (edge.j >= 0 && forest.join(static_cast<Vertex>(edge.i), static_cast<Vertex>(edge.j))) tree.edges.push_back(edge);
    }
    if (tree.edges.size() == before) throw DeviceFailure("a round of the spanning tree joined nothing: distances are not numbers");
  }
  std::sort(tree.edges.begin(), tree.edges.end());
  return tree;
}

template <class T>
void add_farthest_points(const Execution& on, DistanceBlocks<T>& distances, std::int64_t k, std::int64_t start,
                         Landmarks<T>& landmarks, Control& control) {
  const std::int64_t n = distances.size();
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const bool fresh = landmarks.indices.empty();
  if (fresh) {
    landmarks.nearest.assign(static_cast<std::size_t>(n), 0);
    landmarks.distances.assign(static_cast<std::size_t>(n), infinity);
  }
  std::vector<std::uint8_t> taken(static_cast<std::size_t>(n), 0);
  for (const std::int64_t row : landmarks.indices) taken[static_cast<std::size_t>(row)] = 1;
  const DeviceBuffer<T> distance = to_device(on, landmarks.distances.data(), n), lengths(n);
  const DeviceBuffer<std::int64_t> nearest = to_device(on, landmarks.nearest.data(), n);
  const DeviceBuffer<std::uint8_t> chosen = to_device(on, taken.data(), n);
  const std::int64_t runs = pieces(n, LandmarkBody<T>::run_length);
  const DeviceBuffer<Word> found(2 * runs);
  const auto update = [&](const T* from, std::int64_t place) {
    launch_warps(on, runs, LandmarkBody<T>{from, n, place, distance.data(), nearest.data(), chosen.data(), found.data(), found.data() + runs});
    const std::vector<Word> all = to_host(on, found.data(), 2 * runs);
    const auto best = std::min_element(all.begin(), all.begin() + runs);  // the first of several
    return std::pair(length_of(~*best - 1, T{}), static_cast<std::int64_t>(*(best + runs)));
  };
  control.total.store(k);
  auto [radius, row] = fresh ? std::pair(infinity, start) : update(nullptr, 0);
  while (static_cast<std::int64_t>(landmarks.indices.size()) < k) {
    if (control.stopped()) throw Interrupted();
    const auto place = static_cast<std::int64_t>(landmarks.indices.size());
    landmarks.indices.push_back(row);
    landmarks.insertion_radii.push_back(radius);
    fill_bytes(on, chosen.data() + row, 1, 1);
    distances.row(on, row, lengths.data());
    fill_bytes(on, lengths.data() + row, 0, 1);
    std::tie(radius, row) = update(lengths.data(), place);
    control.done.store(place + 1);
  }
  landmarks.distances = to_host(on, distance.data(), n);
  landmarks.nearest = to_host(on, nearest.data(), n);
}

#define TOPO_INTERP_INSTANTIATE(T)                                                                                              \
  template std::unique_ptr<DistanceBlocks<T>> blocks_of_points(const Execution&, const GivenPoints&, MetricKind, std::int64_t,    \
                                                               std::int64_t, std::int64_t, const Control&);                     \
  template SpanningTree<T> spanning_tree(const Execution&, DistanceBlocks<T>&, const BlockShape&, Control&);                      \
  template void add_farthest_points(const Execution&, DistanceBlocks<T>&, std::int64_t, std::int64_t, Landmarks<T>&, Control&);
TOPO_INTERP_INSTANTIATE(float)
TOPO_INTERP_INSTANTIATE(double)
#undef TOPO_INTERP_INSTANTIATE

}  // namespace topo_interp::cuda
