#include "cuda/graphs.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "cuda/warps.cuh"
#include "rips/edge_order.hpp"
#include "rips/relations.hpp"

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

class CondensedBlocks final : public DistanceBlocks {
 public:
  CondensedBlocks(const Execution& on, const Condensed& matrix, bool on_device) : matrix_(matrix) {
    if (on_device) return;
    held_ = to_device(on, matrix.lengths, static_cast<std::int64_t>(matrix.size()));
    matrix_.lengths = held_.data();
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(matrix_.n); }
  void block(const Execution& on, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, float* out) const override {
    launch_items(on, (i1 - i0) * (j1 - j0), CondensedEntry{matrix_, static_cast<std::uint64_t>(i0), static_cast<std::uint64_t>(j0),
                                                           static_cast<std::uint64_t>(j1 - j0), out});
  }

 private:
  Condensed matrix_;
  DeviceBuffer<float> held_;
};

// For the neighbors of one row, (length, index) orders as its edges (length, i, j) do.
TOPO_INTERP_DEVICE Word nearness(float length, std::int64_t index) {
  return Word{length_bits(length)} << 32 | static_cast<std::uint32_t>(index);
}

// Of each row of a block the nearest vertex of another component.
struct RowNearestBody {
  const float* block;
  std::int64_t i0, j0, columns;
  const std::int32_t* label;
  Word* nearest;
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t row, Word*) const {
    const std::int32_t own = label[i0 + row];
    const float* const lengths = block + row * columns;
    const Word found = group.smallest(columns, [&](std::int64_t k) {
      return label[j0 + k] == own ? ~Word{0} : nearness(lengths[k], j0 + k);
    });
    group.once([&] { atomic_min(nearest + i0 + row, found); });
  }
};

// The same for the columns; neighboring threads read neighboring columns.
struct ColumnNearest {
  const float* block;
  std::int64_t i0, j0, rows, columns;
  const std::int32_t* label;
  Word* nearest;
  TOPO_INTERP_DEVICE void operator()(std::int64_t k) const {
    const std::int64_t piece = k / columns, column = k % columns;
    const std::int32_t own = label[j0 + column];
    Word found = ~Word{0};
    for (std::int64_t row = piece * piece_rows; row < least((piece + 1) * piece_rows, rows); ++row) {
      if (label[i0 + row] != own) found = least(found, nearness(block[row * columns + column], i0 + row));
    }
    atomic_min(nearest + j0 + column, found);
  }
  static constexpr std::int64_t piece_rows = 128;
};

// Takes a new landmark into account, and looks for the row that is farthest from all: the first of several.
struct LandmarkBody {
  static constexpr std::int64_t run_length = 4096;
  const float* lengths;  // from the new landmark; null when it only looks
  std::int64_t n, place;
  float* distance;
  std::int64_t* nearest;
  const std::uint8_t* chosen;
  Word* farthest;  // the smallest key: far first, then by row
  template <class Group>
  TOPO_INTERP_DEVICE void run(const Group& group, std::int64_t index, Word*) const {
    const std::int64_t first = index * run_length;
    const Word found = group.smallest(least(run_length, n - first), [&](std::int64_t k) {
      const std::int64_t row = first + k;
      if (lengths != nullptr && lengths[row] < distance[row]) {
        distance[row] = lengths[row];
        nearest[row] = place;
      }
      const Word nearness_of_far = Word{~length_bits(distance[row])} << 32 | static_cast<std::uint32_t>(row);
      return chosen[row] ? ~Word{0} : nearness_of_far;
    });
    group.once([&] { atomic_min(farthest, found); });
  }
};

}  // namespace

std::shared_ptr<const DistanceBlocks> blocks_of_matrix(const Execution& on, const Condensed& matrix, bool on_device) {
  const DeviceGuard guard(on.device);
  return std::make_shared<CondensedBlocks>(on, matrix, on_device);
}

SpanningTree<float> spanning_tree(const Execution& on, const DistanceBlocks& distances, const BlockShape& shape, Control& control) {
  const DeviceGuard guard(on.device);
  const std::int64_t n = distances.size();
  SpanningTree<float> tree;
  Forest forest(static_cast<std::uint64_t>(n));
  std::vector<std::int32_t> label(static_cast<std::size_t>(n));
  const DeviceBuffer<std::int32_t> labels(n);
  const DeviceBuffer<Word> nearest(n);
  const DeviceBuffer<float> block(std::min(shape.rows, n) * std::min(shape.columns, n));
  std::vector<Edge<float>> best(static_cast<std::size_t>(n));
  const Edge<float> none{std::numeric_limits<float>::infinity(), std::numeric_limits<std::int32_t>::max(), 0};
  while (static_cast<std::int64_t>(tree.edges.size()) + 1 < n) {
    ++tree.work.rounds;
    for (std::int64_t i = 0; i < n; ++i) label[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(forest.root(static_cast<Vertex>(i)));
    copy(on, labels.data(), static_cast<const std::int32_t*>(label.data()), n);
    fill_bytes(on, nearest.data(), 0xff, n);
    control.done.store(0);
    control.total.store(n);
    for (std::int64_t i0 = 0; i0 < n; i0 += shape.rows) {
      const std::int64_t i1 = std::min(i0 + shape.rows, n);
      // Columns from the rows' own block on: the pairs before were seen from the other side.
      for (std::int64_t j0 = i0; j0 < n; j0 += shape.columns) {
        const std::int64_t j1 = std::min(j0 + shape.columns, n);
        distances.block(on, i0, i1, j0, j1, block.data());
        launch_warps(on, i1 - i0, RowNearestBody{block.data(), i0, j0, j1 - j0, labels.data(), nearest.data()});
        launch_items(on, (j1 - j0) * pieces(i1 - i0, ColumnNearest::piece_rows),
                     ColumnNearest{block.data(), i0, j0, i1 - i0, j1 - j0, labels.data(), nearest.data()});
      }
      synchronize(on);
      if (control.stopped()) throw Interrupted();
      control.done.store(i1);
    }
    const std::vector<Word> found = to_host(on, nearest.data(), n);
    std::fill(best.begin(), best.end(), none);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto j = static_cast<std::int32_t>(found[static_cast<std::size_t>(i)] & 0xffffffffu), row = static_cast<std::int32_t>(i);
      const Edge<float> edge{bits_length(static_cast<std::uint32_t>(found[static_cast<std::size_t>(i)] >> 32)), std::min(row, j), std::max(row, j)};
      Edge<float>& kept = best[static_cast<std::size_t>(label[static_cast<std::size_t>(i)])];
      kept = std::min(kept, edge);
    }
    const std::size_t before = tree.edges.size();
    for (const Edge<float>& edge : best) {
      if (edge.i <= edge.j && forest.join(static_cast<Vertex>(edge.i), static_cast<Vertex>(edge.j))) tree.edges.push_back(edge);
    }
    if (tree.edges.size() == before) throw DeviceFailure("a round of the spanning tree joined nothing: distances are not numbers");
  }
  std::sort(tree.edges.begin(), tree.edges.end());
  return tree;
}

void add_farthest_points(const Execution& on, const DistanceBlocks& distances, std::int64_t k, std::int64_t start,
                         Landmarks<float>& landmarks, Control& control) {
  const DeviceGuard guard(on.device);
  const std::int64_t n = distances.size();
  const bool fresh = landmarks.indices.empty();
  if (fresh) {
    landmarks.nearest.assign(static_cast<std::size_t>(n), 0);
    landmarks.distances.assign(static_cast<std::size_t>(n), std::numeric_limits<float>::infinity());
  }
  std::vector<std::uint8_t> taken(static_cast<std::size_t>(n), 0);
  for (const std::int64_t row : landmarks.indices) taken[static_cast<std::size_t>(row)] = 1;
  const DeviceBuffer<float> distance = to_device(on, landmarks.distances.data(), n), lengths(n);
  const DeviceBuffer<std::int64_t> nearest = to_device(on, landmarks.nearest.data(), n);
  const DeviceBuffer<std::uint8_t> chosen = to_device(on, taken.data(), n);
  const DeviceBuffer<Word> farthest(1);
  const auto update = [&](const float* from, std::int64_t place) {
    fill_bytes(on, farthest.data(), 0xff, 1);
    launch_warps(on, pieces(n, LandmarkBody::run_length),
                 LandmarkBody{from, n, place, distance.data(), nearest.data(), chosen.data(), farthest.data()});
    const Word key = to_host(on, farthest.data(), 1)[0];
    return std::pair(bits_length(~static_cast<std::uint32_t>(key >> 32)), static_cast<std::int64_t>(key & 0xffffffffu));
  };
  control.total.store(k);
  auto [radius, row] = fresh ? std::pair(std::numeric_limits<float>::infinity(), start) : update(nullptr, 0);
  while (static_cast<std::int64_t>(landmarks.indices.size()) < k) {
    if (control.stopped()) throw Interrupted();
    const auto place = static_cast<std::int64_t>(landmarks.indices.size());
    landmarks.indices.push_back(row);
    landmarks.insertion_radii.push_back(radius);
    fill_bytes(on, chosen.data() + row, 1, 1);
    distances.block(on, row, row + 1, 0, n, lengths.data());
    fill_bytes(on, lengths.data() + row, 0, 1);
    std::tie(radius, row) = update(lengths.data(), place);
    control.done.store(place + 1);
  }
  landmarks.distances = to_host(on, distance.data(), n);
  landmarks.nearest = to_host(on, nearest.data(), n);
}

}  // namespace topo_interp::cuda
