#include "cuda/links.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "cuda/edge_links.cuh"
#include "cuda/sort.cuh"

namespace topo_interp::cuda {
namespace {

std::int64_t signed_of(std::uint64_t count) { return static_cast<std::int64_t>(count); }

template <class Format>
class LinkStage {
 public:
  using Packed = typename Format::Packed;
  using Witness = typename Format::Witness;

  LinkStage(const Execution& on, const LinkScanOptions& options, LinkScanResult& result, Control& control)
      : on_(on), options_(options), result_(result), control_(control) {}

  void run(const Condensed& given, Witness* witness) {
    const std::uint64_t n = given.n;
    const std::int64_t pairs = signed_of(given.size()), free = free_device_bytes();
    // What the edges within the cut need besides is known when they are counted.
    const std::int64_t least_bytes = 4 * pairs + link_scan_bytes(n, 0);
    if (least_bytes > free) throw OutOfMemory(least_bytes, free);
    const DeviceBuffer<float> lengths(pairs);
    copy_in_slices(on_, lengths.data(), given.lengths, pairs, control_);
    matrix_ = {lengths.data(), n};
    lap(0);

    control_.phase = static_cast<int>(LinksPhase::order);
    const RowSummary rows = summary();
    result_.found.complete = rows.radius <= options_.threshold && std::isfinite(rows.radius);
    result_.found.cut = result_.found.complete ? rows.radius : options_.threshold;
    const std::vector<std::int64_t> start = edges_before_rows();
    const std::int64_t count = start.back();
    result_.found.edges = static_cast<std::uint64_t>(count);
    result_.bytes = 4 * pairs + link_scan_bytes(n, result_.found.edges);
    if (result_.bytes > free) throw OutOfMemory(result_.bytes, free);
    const DeviceBuffer<Packed> edges = sorted_edges(start);
    lap(1);
    if (control_.stopped()) return;

    control_.phase = static_cast<int>(LinksPhase::links);
    control_.total = count;
    const Guides guides = make_guides(rows, [&](const std::vector<Vertex>& from) { return rows_of(from); }, options_.threads, control_);
    lap(2);
    if (control_.stopped()) return;
    const DeviceBuffer<Witness> witnesses(pairs);
    fill_bytes(on_, witnesses.data(), 0xff, witnesses.size());  // a mark, for the edges beyond the cut
    scan(edges, count, guides, witnesses.data());
    lap(3);
    if (control_.stopped()) return;
    copy_in_slices(on_, witness, witnesses.data(), pairs, control_);
    lap(4);
  }

 private:
  void lap(int phase) {
    synchronize(on_);
    const auto now = std::chrono::steady_clock::now();
    result_.seconds[phase] += std::chrono::duration<double>(now - clock_).count();
    clock_ = now;
  }

  RowSummary summary() const {
    const std::int64_t n = signed_of(matrix_.n);
    const DeviceBuffer<float> farthest(n);
    const DeviceBuffer<double> sum(n);
    launch_warps(on_, n, RowSummaryBody{matrix_, farthest.data(), sum.data()});
    const std::vector<float> longest = to_host(on_, farthest.data(), n);
    return {*std::min_element(longest.begin(), longest.end()), to_host(on_, sum.data(), n)};
  }

  std::vector<std::vector<float>> rows_of(const std::vector<Vertex>& from) const {
    const std::int64_t n = signed_of(matrix_.n), count = static_cast<std::int64_t>(from.size());
    const DeviceBuffer<Vertex> rows = to_device(on_, from.data(), count);
    const DeviceBuffer<float> out(count * n);
    launch_warps(on_, count, RowsBody{matrix_, rows.data(), out.data()});
    std::vector<std::vector<float>> all;
    for (std::int64_t k = 0; k < count; ++k) all.push_back(to_host(on_, out.data() + k * n, n));
    return all;
  }

  // Of each row the number of edges within the cut that come from the rows before; at the end that of all.
  std::vector<std::int64_t> edges_before_rows() const {
    const std::int64_t rows = signed_of(matrix_.n) - 1;
    const DeviceBuffer<std::int64_t> counts(rows);
    launch_warps(on_, rows, PackEdgesBody<Format>{matrix_, result_.found.cut, counts.data(), nullptr, nullptr, nullptr});
    std::vector<std::int64_t> start = to_host(on_, counts.data(), rows);
    start.push_back(0);
    std::exclusive_scan(start.begin(), start.end(), start.begin(), std::int64_t{0});
    return start;
  }

  DeviceBuffer<Packed> sorted_edges(const std::vector<std::int64_t>& start) const {
    const std::int64_t rows = signed_of(matrix_.n) - 1, count = start.back();
    const DeviceBuffer<std::int64_t> places = to_device(on_, start.data(), rows);
    SortBuffers<Packed> buffers(count);
    launch_warps(on_, rows, PackEdgesBody<Format>{matrix_, result_.found.cut, nullptr, places.data(), buffers.keys.data(), buffers.values.data()});
    sort_by_key(on_, buffers, count);  // stable: edges of one length stay in the order (i, j)
    return std::move(buffers.values);
  }

  void scan(const DeviceBuffer<Packed>& edges, std::int64_t count, const Guides& guides, Witness* witness) {
    const std::int64_t n = signed_of(matrix_.n);
    const auto upload = [&](const auto& values) { return to_device(on_, values.data(), static_cast<std::int64_t>(values.size())); };
    const auto label = upload(guides.label), vertex = upload(guides.vertex), middle = upload(guides.middle);
    const auto region = upload(guides.region);
    const RowShape shape = row_shape(matrix_.n);
    const std::int64_t words = shape.words * n;
    const DeviceBuffer<Word> bits(2 * words), masks(4 * n);
    BitRowsView sure{bits.data(), masks.data(), masks.data() + n};
    BitRowsView maybe{bits.data() + words, masks.data() + 2 * n, masks.data() + 3 * n};
    fill_bytes(on_, maybe.bits, 0, words);
    launch_items(on_, n, EnterVertex{shape.words, maybe.bits});
    launch_warps(on_, n, MasksBody{shape, maybe});

    const std::int64_t longest = std::min(count, std::max(options_.least_batch, count / options_.batch_share));
    SortBuffers<std::uint32_t> tiles(longest);
    const DeviceBuffer<std::uint32_t> queue(longest);
    const DeviceBuffer<Count> counters(2);  // queued, found
    DeviceBuffer<FoundOnDevice<Format>> found(options_.found_room);
    Count found_count = 0;
    LinkScan<Format> scan{matrix_,       edges.data(),    label.data(), vertex.data(), region.data(), middle.data(), guides.regions, shape, sure, maybe, witness,
                          found.data(), counters.data() + 1, static_cast<Count>(found.size())};
    const auto side = static_cast<std::uint32_t>(pieces(n, TileOfEdge<Format>::width));
    int tile_bits = 1;
    while ((std::uint64_t{side} * side) >> tile_bits) ++tile_bits;

    for (std::int64_t start = 0; start < count && !control_.stopped();) {
      const std::int64_t batch = std::min(count - start, std::max(options_.least_batch, start / options_.batch_share));
      const Packed* const first = edges.data() + start;
      copy(on_, sure.bits, static_cast<const Word*>(maybe.bits), words);
      copy(on_, sure.held, static_cast<const Word*>(maybe.held), 2 * n);  // both masks
      launch_items(on_, batch, TileOfEdge<Format>{first, label.data(), side, tiles.keys.data(), tiles.values.data()});
      sort_by_key(on_, tiles, batch, tile_bits);
      launch_items(on_, batch, EnterEdge<Format>{first, tiles.values.data(), label.data(), shape.words, maybe.bits});
      launch_warps(on_, n, MasksBody{shape, maybe});
      const Count begin[2] = {0, found_count};
      copy(on_, counters.data(), begin, 2);
      launch_warps(on_, batch, SettleBody<Format>{scan, static_cast<std::uint64_t>(start), tiles.values.data(), queue.data(), counters.data()});
      const auto queued = static_cast<std::int64_t>(to_host(on_, counters.data(), 1)[0]);
      const ResolveBody<Format> resolve{scan, static_cast<std::uint64_t>(start), queue.data()};
      launch_warps(on_, queued, resolve, 3 * shape.words);
      Count reported = to_host(on_, counters.data() + 1, 1)[0];
      if (reported > scan.found_room) {
        DeviceBuffer<FoundOnDevice<Format>> more(static_cast<std::int64_t>(2 * reported));
        copy(on_, more.data(), static_cast<const FoundOnDevice<Format>*>(found.data()), static_cast<std::int64_t>(found_count));
        synchronize(on_);
        found = std::move(more);
        scan.found = found.data();
        scan.found_room = static_cast<Count>(found.size());
        copy(on_, counters.data() + 1, &found_count, 1);
        launch_warps(on_, queued, ResolveBody<Format>{scan, static_cast<std::uint64_t>(start), queue.data()}, 3 * shape.words);
        reported = to_host(on_, counters.data() + 1, 1)[0];
      }
      found_count = reported;
      result_.resolved += static_cast<std::uint64_t>(queued);
      result_.settled += static_cast<std::uint64_t>(batch - queued);
      start += batch;
      control_.done = start;
    }
    if (!control_.stopped()) take(to_host(on_, found.data(), static_cast<std::int64_t>(found_count)));
  }

  // In the order of the edges; those of one edge stay in the order in which its warp reported them.
  void take(std::vector<FoundOnDevice<Format>> found) {
    std::stable_sort(found.begin(), found.end(), [](const auto& x, const auto& y) { return x.position < y.position; });
    for (const FoundOnDevice<Format>& one : found) {
      const EdgeEnds edge{first_vertex<Format>(one.edge), second_vertex<Format>(one.edge)};
      if (one.main == nothing) {
        result_.found.empty.push_back(edge);
      } else {
        result_.found.squares.push_back({edge, one.main, one.other});
      }
    }
  }

  const Execution on_;
  const LinkScanOptions& options_;
  LinkScanResult& result_;
  Control& control_;
  Condensed matrix_{};
  std::chrono::steady_clock::time_point clock_ = std::chrono::steady_clock::now();
};

}  // namespace

std::int64_t link_scan_bytes(std::uint64_t n, std::uint64_t edges) {
  const bool wide = n > Narrow::vertex_limit;
  const std::int64_t packed = wide ? 8 : 4, count = signed_of(edges), pairs = signed_of(n * (n - 1) / 2);
  const std::int64_t sorting = 2 * (4 + packed) * count;
  // Edges, a witness per pair, two bit matrices, and a batch with room to sort it by tiles.
  const std::int64_t scanning = packed * count + packed / 2 * pairs + 16 * row_shape(n).words * signed_of(n) + 20 * (count / 64 + 8192);
  return std::max(sorting, scanning) + (std::int64_t{64} << 20);
}

LinkScanResult scan_links(const Execution& on, const Condensed& matrix, const LinkScanOptions& options, std::uint16_t* witness,
                          Control& control) {
  LinkScanResult result;
  LinkStage<Narrow>(on, options, result, control).run(matrix, witness);
  return result;
}

LinkScanResult scan_links(const Execution& on, const Condensed& matrix, const LinkScanOptions& options, std::uint32_t* witness,
                          Control& control) {
  LinkScanResult result;
  LinkStage<Wide>(on, options, result, control).run(matrix, witness);
  return result;
}

}  // namespace topo_interp::cuda
