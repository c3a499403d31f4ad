#include "rips/edge_order.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace topo_interp {
namespace {

// Row ranges of about equal numbers of entries.
std::vector<std::uint64_t> split_rows(const Condensed& matrix, std::uint64_t parts) {
  std::vector<std::uint64_t> bounds{0};
  const std::uint64_t share = matrix.size() / parts + 1;
  std::uint64_t held = 0;
  for (std::uint64_t i = 0; i + 1 < matrix.n; ++i) {
    held += matrix.n - 1 - i;
    if (held >= share * bounds.size()) bounds.push_back(i + 1);
  }
  if (bounds.back() != matrix.n) bounds.push_back(matrix.n);
  return bounds;
}

template <class Packed>
struct Keyed {
  std::uint32_t bits;
  Packed edge;
};

// Stable sort of [first, first + count) by bits, on the digits that differ; `other` is scratch of the same size.
// Returns where the sorted run ended up: `first` or `other`.
template <class Item>
Item* radix_sort(Item* first, Item* other, std::size_t count, const Control& control) {
  std::uint32_t low = first[0].bits, high = first[0].bits;
  bool sorted = true;
  for (std::size_t k = 1; k < count; ++k) {
    sorted = sorted && first[k - 1].bits <= first[k].bits;
    low = std::min(low, first[k].bits);
    high = std::max(high, first[k].bits);
  }
  if (sorted) return first;
  if (count < 48) {
    for (std::size_t k = 1; k < count; ++k) {
      const Item item = first[k];
      std::size_t at = k;
      for (; at > 0 && first[at - 1].bits > item.bits; --at) first[at] = first[at - 1];
      first[at] = item;
    }
    return first;
  }
  // Digits of equal width, no wider than what the run is long enough for: their counts are cleared and summed for every pass.
  const int width = 32 - std::countl_zero(high - low);
  const int widest = count < 4096 ? 8 : 11;
  const int passes = (width + widest - 1) / widest;
  const int digit = (width + passes - 1) / passes;
  std::array<std::size_t, 1u << 11> start;
  const std::uint32_t mask = (1u << digit) - 1;
  for (int shift = 0; shift < width; shift += digit) {
    if (control.stopped()) return first;
    std::fill(start.begin(), start.begin() + (mask + 1), 0);
    for (std::size_t k = 0; k < count; ++k) ++start[((first[k].bits - low) >> shift) & mask];
    std::size_t sum = 0;
    for (std::uint32_t value = 0; value <= mask; ++value) sum += std::exchange(start[value], sum);
    for (std::size_t k = 0; k < count; ++k) other[start[((first[k].bits - low) >> shift) & mask]++] = first[k];
    std::swap(first, other);
  }
  return first;
}

}  // namespace

RowSummary summarize_rows(const Condensed& matrix, int threads, const Control& control) {
  const std::uint64_t n = matrix.n;
  const std::vector<std::uint64_t> bounds = split_rows(matrix, n < 512 ? 1 : 8);  // a count of its own: see the header
  const std::size_t parts = bounds.size() - 1;
  std::vector<std::vector<float>> farthest(parts, std::vector<float>(n, 0.0f));
  std::vector<std::vector<double>> sums(parts, std::vector<double>(n, 0.0));
  parallel_for(threads, static_cast<std::int64_t>(parts), control, [&](std::int64_t at, int) {
    const auto part = static_cast<std::size_t>(at);
    float* const most = farthest[part].data();
    double* const sum = sums[part].data();
    for (std::uint64_t i = bounds[part]; i < bounds[part + 1] && !control.stopped(); ++i) {
      const float* const row = matrix.lengths + matrix.row(i);
      float own = most[i];
      float piece[8] = {0, 0, 0, 0, 0, 0, 0, 0};
      for (std::uint64_t j = i + 1; j < n; ++j) {
        const float length = row[j];
        own = length > own ? length : own;
        most[j] = length > most[j] ? length : most[j];
        sum[j] += static_cast<double>(length);
        piece[j % 8] += length;
      }
      most[i] = own;
      for (const float value : piece) sum[i] += static_cast<double>(value);
    }
  });
  RowSummary out;
  out.sum.assign(n, 0.0);
  for (std::uint64_t i = 0; i < n; ++i) {
    float own = 0;
    for (const std::vector<float>& part : farthest) own = std::max(own, part[i]);
    for (const std::vector<double>& part : sums) out.sum[i] += part[i];
    if (i == 0 || own < out.radius) out.radius = own;
  }
  return out;
}

template <class Format>
SortedEdges<Format> sort_edges(const Condensed& matrix, float cut, int threads, Control& control) {
  using Packed = typename Format::Packed;
  using Item = Keyed<Packed>;
  const std::uint64_t n = matrix.n;
  SortedEdges<Format> out;
  if (n < 2 || !(cut >= 0)) return out;
  const std::vector<std::uint64_t> bounds = split_rows(matrix, static_cast<std::uint64_t>(threads));
  const std::size_t parts = bounds.size() - 1;
  Crew crew(n < 256 ? 1 : threads);  // starting a thread takes longer than sorting so few edges

  // Buckets of equal width in length: x -> (x - low) * scale is monotone in floating point, so buckets are in order.
  const auto for_parts = [&](auto&& body) {
    parallel_for(crew, static_cast<std::int64_t>(parts), control, [&](std::int64_t part, int) { body(static_cast<std::size_t>(part)); });
  };
  std::vector<float> lows(parts, cut);
  float top = cut;
  if (std::isinf(cut)) {  // only then can a stored entry be infinite: such an edge never enters
    top = 0;
    for (std::uint64_t k = 0; k < matrix.size(); ++k) {
      if (std::isfinite(matrix.lengths[k])) top = std::max(top, matrix.lengths[k]);
    }
  }
  for_parts([&](std::size_t part) {
    const std::uint64_t last = bounds[part + 1] == n ? matrix.size() : matrix.row(bounds[part + 1]) + bounds[part + 1] + 1;
    float low = top;
    for (std::uint64_t k = matrix.row(bounds[part]) + bounds[part] + 1; k < last; ++k) {
      low = matrix.lengths[k] < low ? matrix.lengths[k] : low;
    }
    lows[part] = low;
  });
  const float low = *std::min_element(lows.begin(), lows.end());
  // Few enough edges leave most buckets too short for the counts of their digits.
  const std::uint32_t most_buckets = matrix.size() < 4194304 ? 1024 : 4096;
  std::uint32_t buckets = 1;
  float scale = 0;
  if (top > low && std::isfinite(static_cast<float>(most_buckets) / (top - low))) {
    buckets = most_buckets;
    scale = static_cast<float>(most_buckets) / (top - low);
  }
  // The buckets of some lengths. Edges beyond the cut go to one past the others: no branch, which in no order of the edges could
  // be guessed.
  constexpr std::uint64_t strip = 256;
  const auto buckets_of = [=](const float* const length, std::uint64_t count, std::int32_t* const bucket) {
    const float last = static_cast<float>(buckets - 1);
    for (std::uint64_t k = 0; k < count; ++k) {
      const float place = (length[k] - low) * scale;
      const auto within = static_cast<std::int32_t>(place < last ? place : last);
      bucket[k] = length[k] <= top ? within : static_cast<std::int32_t>(buckets);
    }
  };
  std::vector<std::vector<std::uint64_t>> offset(parts, std::vector<std::uint64_t>(buckets + 1, 0));
  // Calls body(counts or places of the part, bucket, i, j, length) for the upper triangle.
  const auto for_edges = [&](auto&& body) {
    for_parts([&](std::size_t part) {
      std::int32_t bucket[strip];
      for (std::uint64_t i = bounds[part]; i < bounds[part + 1] && !control.stopped(); ++i) {
        const float* const row = matrix.lengths + matrix.row(i);
        for (std::uint64_t j = i + 1; j < n; j += strip) {
          const std::uint64_t count = std::min(strip, n - j);
          buckets_of(row + j, count, bucket);
          for (std::uint64_t k = 0; k < count; ++k) {
            body(offset[part].data(), static_cast<std::uint32_t>(bucket[k]), static_cast<Vertex>(i), static_cast<Vertex>(j + k), row[j + k]);
          }
        }
      }
    });
  };
  for_edges([](std::uint64_t* const counts, std::uint32_t bucket, Vertex, Vertex, float) { ++counts[bucket]; });
  std::vector<std::uint64_t> begin(buckets + 1, 0);
  std::uint64_t total = 0;
  for (std::uint32_t bucket = 0; bucket < buckets; ++bucket) {
    begin[bucket] = total;
    for (std::size_t part = 0; part < parts; ++part) total += std::exchange(offset[part][bucket], total);
  }
  begin[buckets] = total;
  if (control.stopped()) return out;

  constexpr std::size_t apart = 64 / sizeof(Item) + 1;  // on a cache line of its own, what stays out overwrites itself
  auto items = std::make_unique_for_overwrite<Item[]>(total + (parts + 1) * apart);
  for (std::size_t part = 0; part < parts; ++part) offset[part][buckets] = total + (part + 1) * apart;
  for_edges([&](std::uint64_t* const places, std::uint32_t bucket, Vertex i, Vertex j, float length) {
    items[places[bucket]] = {length_bits(length), pack_edge<Format>(i, j)};
    places[bucket] += bucket < buckets;
  });
  if (control.stopped()) return out;

  out.edges = std::make_unique_for_overwrite<Packed[]>(total);
  out.count = total;
  struct Scratch {
    std::unique_ptr<Item[]> items;
    std::size_t room = 0;
  };
  std::vector<Scratch> scratches(static_cast<std::size_t>(crew.threads()));
  parallel_for(crew, buckets, control, [&](std::int64_t at, int worker) {
    const auto bucket = static_cast<std::size_t>(at);
    const std::size_t count = begin[bucket + 1] - begin[bucket];
    if (count == 0) return;
    Scratch& scratch = scratches[static_cast<std::size_t>(worker)];
    if (count > scratch.room) {
      scratch.room = count + count / 4;
      scratch.items.reset();
      scratch.items = std::make_unique_for_overwrite<Item[]>(scratch.room);
    }
    const Item* const sorted = radix_sort(items.get() + begin[bucket], scratch.items.get(), count, control);
    for (std::size_t k = 0; k < count; ++k) out.edges[begin[bucket] + k] = sorted[k].edge;
  });
  return out;
}

template SortedEdges<Narrow> sort_edges<Narrow>(const Condensed&, float, int, Control&);
template SortedEdges<Wide> sort_edges<Wide>(const Condensed&, float, int, Control&);

}  // namespace topo_interp
