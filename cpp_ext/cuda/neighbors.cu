#include "cuda/neighbors.hpp"

#include <cmath>
#include <limits>

#include "cuda/rounding.cuh"
#include "cuda/tiles.cuh"

namespace topo_interp::cuda {
namespace {

// ---- k nearest --------------------------------------------------------------------------------------------------------------

constexpr std::int32_t kNobody = std::numeric_limits<std::int32_t>::max();

template <class T>
struct StartLists {
  static constexpr int threads = 256;
  using Shared = Nothing;
  using State = Nothing;
  std::int64_t count;
  T* distances;
  std::int32_t* indices;
  template <class Block>
  TOPO_INTERP_HD void run(Block& block) const {
    block.each([&](int thread, auto&) {
      const std::int64_t at = block.index * threads + thread;
      if (at >= count) return;
      distances[at] = static_cast<T>(HUGE_VAL);
      indices[at] = kNobody;
    });
  }
};

// The k nearest of what a row was offered, ascending by (distance, index). Entry p of row r lies at p * n + r, so that the threads
// of neighbouring rows touch neighbouring memory.
template <class T>
struct NearestVisitor {
  struct Own {
    T bound;
    std::int32_t last;
  };
  std::int64_t n, k;
  T* distances;
  std::int32_t* indices;
  TOPO_INTERP_HD void begin(Own& own, std::int64_t list) const {
    own.bound = distances[(k - 1) * n + list];
    own.last = indices[(k - 1) * n + list];
  }
  TOPO_INTERP_HD void take(Own& own, std::int64_t list, std::int64_t other, T distance) const {
    const auto index = static_cast<std::int32_t>(other);
    if (!(distance < own.bound || (distance == own.bound && index < own.last))) return;
    std::int64_t hole = k - 1;
    for (; hole > 0; --hole) {
      const T before = distances[(hole - 1) * n + list];
      const std::int32_t name = indices[(hole - 1) * n + list];
      if (!(distance < before || (distance == before && index < name))) break;
      distances[hole * n + list] = before;
      indices[hole * n + list] = name;
    }
    distances[hole * n + list] = distance;
    indices[hole * n + list] = index;
    begin(own, list);
  }
  TOPO_INTERP_HD void end(Own&, std::int64_t) const {}
};

// ---- pairs within a radius --------------------------------------------------------------------------------------------------

template <class T>
struct CountVisitor {
  struct Own {
    std::int32_t count;
  };
  T radius;
  std::int64_t first;  // row of counts[0]
  std::int32_t* counts;
  TOPO_INTERP_HD void begin(Own& own, std::int64_t) const { own.count = 0; }
  TOPO_INTERP_HD void take(Own& own, std::int64_t, std::int64_t, T distance) const { own.count += distance <= radius; }
  TOPO_INTERP_HD void end(Own& own, std::int64_t list) const { counts[list - first] = own.count; }
};

template <class T>
struct FillVisitor {
  struct Own {
    std::int64_t at;
  };
  T radius;
  std::int64_t first;
  const std::int64_t* starts;
  std::int32_t* indices;
  T* distances;
  TOPO_INTERP_HD void begin(Own& own, std::int64_t list) const { own.at = starts[list - first]; }
  TOPO_INTERP_HD void take(Own& own, std::int64_t, std::int64_t other, T distance) const {
    if (!(distance <= radius)) return;
    indices[own.at] = static_cast<std::int32_t>(other);
    distances[own.at++] = distance;
  }
  TOPO_INTERP_HD void end(Own&, std::int64_t) const {}
};

// What one pass over one panel found, on the host: of each of its rows the entries that follow those of earlier passes.
template <class T>
struct Found {
  std::int64_t first_row;
  std::vector<std::int32_t> counts, indices;
  std::vector<T> distances;
};

// ---- distortion -------------------------------------------------------------------------------------------------------------

// max(D(px, py), D(x, py), D(px, y)) - D(x, y) over the pairs of a column.
template <class T>
struct DistortionVisitor {
  struct Own {
    double largest;
  };
  const T* to_landmarks;  // n x count
  std::int64_t count;
  const std::int32_t* landmarks;
  const std::int32_t* nearest;
  double up_to;
  double* largest;
  TOPO_INTERP_HD void begin(Own& own, std::int64_t) const { own.largest = 0; }
  TOPO_INTERP_HD void take(Own& own, std::int64_t list, std::int64_t other, T distance) const {
    const double d = static_cast<double>(distance);
    if (!(d <= up_to)) return;
    const std::int64_t p = nearest[list], q = nearest[other];
    const double both = static_cast<double>(to_landmarks[landmarks[p] * count + q]);
    const double one = static_cast<double>(to_landmarks[list * count + q]), two = static_cast<double>(to_landmarks[other * count + p]);
    own.largest = most(own.largest, most(both, most(one, two)) - d);
  }
  TOPO_INTERP_HD void end(Own& own, std::int64_t) const { atomic_max_double(largest, own.largest); }
};

}  // namespace

template <class T>
NearestRows<T> nearest_neighbors(const GivenPoints& x, MetricKind metric, std::int64_t k, std::int64_t budget, const Execution& on,
                                 Control& control) {
  const std::int64_t n = x.rows, size = sizeof(T);
  const MemoryPlan plan = plan_memory({n, prepared_row_bytes<T>(x, metric), size, 1, n * k * (size + 4)}, budget_of(budget));
  DeviceBuffer<T> distances(n * k);
  DeviceBuffer<std::int32_t> indices(n * k);
  launch(on, pieces(n * k, StartLists<T>::threads), StartLists<T>{n * k, distances.data(), indices.data()});
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, false);
  const DeviceBuffer<T> memory(cloud.side() * cloud.side());
  const NearestVisitor<T> visitor{n, k, distances.data(), indices.data()};
  visit_panels(cloud, maker, memory.data(), control, [&](const PanelView<T>& panel) {
    pass<AlongColumns>(on, panel, visitor);
    pass<AlongRows>(on, panel, visitor);
  });
  const std::vector<T> lengths = to_host(on, distances.data(), n * k);
  const std::vector<std::int32_t> names = to_host(on, indices.data(), n * k);
  NearestRows<T> out{std::vector<std::int64_t>(lengths.size()), std::vector<T>(lengths.size())};
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t p = 0; p < k; ++p) {
      const auto from = static_cast<std::size_t>(p * n + r), to = static_cast<std::size_t>(r * k + p);
      out.indices[to] = names[from];
      out.distances[to] = lengths[from];
    }
  }
  return out;
}

template <class T>
RadiusGraph<T> radius_graph(const GivenPoints& x, MetricKind metric, T radius, std::int64_t most_pairs, std::int64_t budget,
                            const Execution& on, Control& control, double& rounding) {
  const std::int64_t n = x.rows, size = sizeof(T);
  // Beside the panel, the entries that one pass over it finds: at most as many as it has.
  const MemoryPlan plan = plan_memory({n, prepared_row_bytes<T>(x, metric), 2 * size + 4, 1, 16 * 8192}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, true);
  const std::int64_t side = cloud.side();
  const DeviceBuffer<T> memory(side * side);
  DeviceBuffer<T> lengths;
  DeviceBuffer<std::int32_t> counts(side), names;
  DeviceBuffer<std::int64_t> starts(side);
  std::vector<Found<T>> all;
  std::int64_t entries = 0, pairs = 0;

  const auto find = [&](const PanelView<T>& panel, bool columns) {
    const std::int64_t first = columns ? panel.first_col : panel.first_row, rows = columns ? panel.cols : panel.rows;
    const auto go = [&](const auto& visitor) {
      if (columns) {
        pass<AlongColumns>(on, panel, visitor);
      } else {
        pass<AlongRows>(on, panel, visitor);
      }
    };
    go(CountVisitor<T>{radius, first, counts.data()});
    Found<T> found{first, to_host(on, counts.data(), rows), {}, {}};
    std::vector<std::int64_t> begin(static_cast<std::size_t>(rows));
    std::int64_t total = 0;
    for (std::size_t r = 0; r < begin.size(); ++r) {
      begin[r] = total;
      total += found.counts[r];
    }
    if (total == 0) return;
    entries += total;
    if (columns) pairs += total;  // every pair stands in one pass over columns and one over rows
    if (pairs > most_pairs) {
      throw OverBudget(pairs, static_cast<double>(control.done.load() + 1) / static_cast<double>(control.total.load()));
    }
    if (lengths.size() < total) {
      const std::int64_t room = std::min(std::max(total, 2 * lengths.size()), side * side);
      lengths = {};  // before the larger one is asked for
      names = {};
      lengths = DeviceBuffer<T>(room);
      names = DeviceBuffer<std::int32_t>(room);
    }
    copy(on, starts.data(), begin.data(), rows);
    go(FillVisitor<T>{radius, first, starts.data(), names.data(), lengths.data()});
    found.indices = to_host(on, names.data(), total);
    found.distances = to_host(on, lengths.data(), total);
    all.push_back(std::move(found));
  };
  visit_panels(cloud, maker, memory.data(), control, [&](const PanelView<T>& panel) {
    find(panel, true);
    find(panel, false);
  });
  rounding = proved_rounding(preparation, maker.stats());

  RadiusGraph<T> graph;
  graph.indptr.assign(static_cast<std::size_t>(n) + 1, 0);
  for (const Found<T>& found : all)
    for (std::size_t r = 0; r < found.counts.size(); ++r)
      graph.indptr[static_cast<std::size_t>(found.first_row) + r + 1] += found.counts[r];
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) graph.indptr[i + 1] += graph.indptr[i];
  std::vector<std::int64_t> place(graph.indptr.begin(), graph.indptr.end() - 1);
  graph.indices.resize(static_cast<std::size_t>(entries));
  graph.distances.resize(static_cast<std::size_t>(entries));
  for (Found<T>& found : all) {  // in the order of the passes, in which a row's entries ascend
    std::size_t from = 0;
    for (std::size_t r = 0; r < found.counts.size(); ++r) {
      std::int64_t& at = place[static_cast<std::size_t>(found.first_row) + r];
      for (std::int32_t c = 0; c < found.counts[r]; ++c, ++from, ++at) {
        graph.indices[static_cast<std::size_t>(at)] = found.indices[from];
        graph.distances[static_cast<std::size_t>(at)] = found.distances[from];
      }
    }
    found = Found<T>{0, {}, {}, {}};
  }
  return graph;
}

template <class T>
double largest_distortion(const GivenPoints& x, MetricKind metric, const std::vector<std::int32_t>& landmarks,
                          const std::vector<std::int32_t>& nearest, double up_to, std::int64_t budget, const Execution& on,
                          Control& control, double& rounding) {
  const std::int64_t n = x.rows, size = sizeof(T), count = static_cast<std::int64_t>(landmarks.size());
  const std::int64_t row_bytes = prepared_row_bytes<T>(x, metric);
  const std::int64_t chosen_bytes = count * (row_bytes + x.cols * size);
  const MemoryPlan plan = plan_memory({n, row_bytes, size, 1, n * (count * size + 4) + chosen_bytes}, budget_of(budget));
  const Preparation<T> preparation({x}, metric, on);
  Cloud<T> cloud(x, preparation, plan.side, plan.streamed, on, control);
  PanelMaker<T> maker(preparation.rules(), on, true);
  DeviceBuffer<T> table(n * count);
  {
    ChosenRows<T> chosen(count);
    const Operand<T> columns = chosen.choose(cloud, landmarks);
    for (std::int64_t b = 0; b < cloud.blocks(); ++b) {
      maker.panel(cloud.block(b), columns, false, table.data() + cloud.first_row(b) * count, count);
      cloud.prefetch(b + 1);
      synchronize(on);
      if (control.stopped()) throw Interrupted();
    }
  }
  const DeviceBuffer<std::int32_t> rows = to_device(on, landmarks.data(), count), places = to_device(on, nearest.data(), n);
  DeviceBuffer<double> largest(1);
  fill_bytes(on, largest.data(), 0, 1);
  const DeviceBuffer<T> memory(cloud.side() * cloud.side());
  const DistortionVisitor<T> visitor{table.data(), count, rows.data(), places.data(), up_to, largest.data()};
  visit_panels(cloud, maker, memory.data(), control, [&](const PanelView<T>& panel) { pass<AlongColumns>(on, panel, visitor); });
  rounding = proved_rounding(preparation, maker.stats());
  return to_host(on, largest.data(), 1)[0];
}

template NearestRows<float> nearest_neighbors(const GivenPoints&, MetricKind, std::int64_t, std::int64_t, const Execution&, Control&);
template NearestRows<double> nearest_neighbors(const GivenPoints&, MetricKind, std::int64_t, std::int64_t, const Execution&, Control&);
template RadiusGraph<float> radius_graph(const GivenPoints&, MetricKind, float, std::int64_t, std::int64_t, const Execution&, Control&,
                                         double&);
template RadiusGraph<double> radius_graph(const GivenPoints&, MetricKind, double, std::int64_t, std::int64_t, const Execution&, Control&,
                                          double&);
template double largest_distortion<float>(const GivenPoints&, MetricKind, const std::vector<std::int32_t>&,
                                          const std::vector<std::int32_t>&, double, std::int64_t, const Execution&, Control&, double&);
template double largest_distortion<double>(const GivenPoints&, MetricKind, const std::vector<std::int32_t>&,
                                           const std::vector<std::int32_t>&, double, std::int64_t, const Execution&, Control&, double&);

}  // namespace topo_interp::cuda
