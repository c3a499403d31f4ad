// Labels and first guesses for the link scan.
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "interrupt.hpp"
#include "rips/link_scan.hpp"
#include "parallel.hpp"

namespace topo_interp {
namespace {

constexpr std::uint64_t centers = 64;  // one word of the bit rows

}  // namespace

std::vector<std::vector<float>> distances_from(const Condensed& matrix, const std::vector<Vertex>& from, int threads) {
  std::vector<std::vector<float>> out(from.size());
  parallel_for(threads, static_cast<std::int64_t>(from.size()), Control(), [&](std::int64_t at, int) {
    const auto k = static_cast<std::size_t>(at);
    out[k].resize(matrix.n);
    for (Vertex v = 0; v < from[k]; ++v) out[k][v] = matrix.lengths[matrix.row(v) + from[k]];
    for (std::uint64_t v = from[k] + std::uint64_t{1}; v < matrix.n; ++v) out[k][v] = matrix.lengths[matrix.row(from[k]) + v];
  });
  return out;
}

Guides make_guides(const RowSummary& rows, const DistancesFrom& distances, int threads, const Control& control) {
  const std::uint64_t n = rows.sum.size();
  std::vector<Vertex> by_mean(n);
  std::iota(by_mean.begin(), by_mean.end(), Vertex{0});
  std::stable_sort(by_mean.begin(), by_mean.end(), [&](Vertex u, Vertex v) { return rows.sum[u] < rows.sum[v]; });

  // Regions: nearest of some vertices spread from the center outwards.
  const std::uint64_t regions = std::clamp<std::uint64_t>(n / 48, 1, 96);
  const float scale = rows.radius > 0 ? rows.radius : 1.0f;
  std::vector<Vertex> heart(regions);
  for (std::uint64_t r = 0; r < regions; ++r) heart[r] = by_mean[(2 * r + 1) * n / (2 * regions)];
  const std::vector<std::vector<float>> from = distances(heart);
  Crew crew(regions < 8 ? 1 : threads);  // starting a thread takes longer than a few regions
  const auto for_regions = [&](auto&& body) {
    parallel_for(crew, static_cast<std::int64_t>(regions), control, [&](std::int64_t r, int) { body(static_cast<std::uint64_t>(r)); });
  };
  if (control.stopped()) return {};
  std::vector<std::uint16_t> region(n, 0);
  std::vector<float> nearest = from[0];
  for (std::uint64_t r = 1; r < regions; ++r) {
    for (std::uint64_t v = 0; v < n; ++v) {
      if (from[r][v] < nearest[v]) {
        nearest[v] = from[r][v];
        region[v] = static_cast<std::uint16_t>(r);
      }
    }
  }
  // Neighboring regions one after the other.
  std::vector<std::uint64_t> place(regions, regions);
  for (std::uint64_t at = 0, last = 0; at < regions; ++at) {
    place[last] = at;
    float least = std::numeric_limits<float>::infinity();
    std::uint64_t best = regions;
    for (std::uint64_t r = 0; r < regions; ++r) {
      if (place[r] == regions && (best == regions || from[last][heart[r]] < least)) {
        best = r;
        least = from[last][heart[r]];
      }
    }
    last = best == regions ? last : best;
  }

  Guides guides;
  guides.regions = static_cast<std::uint32_t>(regions);
  guides.vertex = by_mean;
  std::sort(guides.vertex.begin() + static_cast<std::ptrdiff_t>(std::min(n, centers)), guides.vertex.end(), [&](Vertex u, Vertex v) {
    if (region[u] != region[v]) return place[region[u]] < place[region[v]];
    return nearest[u] != nearest[v] ? nearest[u] < nearest[v] : u < v;
  });
  guides.label.resize(n);
  guides.region.resize(n);
  for (std::uint64_t k = 0; k < n; ++k) {
    guides.label[guides.vertex[k]] = static_cast<Vertex>(k);
    guides.region[k] = region[guides.vertex[k]];
  }

  // The middle of two regions: among some vertices the one with the least sum of 8th powers of the distances to the hearts
  // near to both, a smooth form of the center of their smallest enclosing ball.
  const std::uint64_t candidates = std::min<std::uint64_t>(n, 384);
  std::vector<Vertex> candidate(candidates);
  for (std::uint64_t k = 0; k < candidates; ++k) candidate[k] = by_mean[k * n / candidates];
  std::vector<std::vector<float>> power(regions, std::vector<float>(candidates));
  for_regions([&](std::uint64_t r) {
    for (std::uint64_t k = 0; k < candidates; ++k) {
      const float once = from[r][candidate[k]] / scale, twice = once * once, fourth = twice * twice;
      power[r][k] = fourth * fourth;
    }
  });
  guides.middle.assign(regions * regions * Guides::middles, 0);
  for_regions([&](std::uint64_t r) {
    std::vector<float> total(candidates);
    std::vector<float> reached(regions);
    for (std::uint64_t s = 0; s <= r; ++s) {
      const float reach = std::max(from[r][heart[s]], scale / 3);
      std::fill(reached.begin(), reached.end(), std::numeric_limits<float>::infinity());
      for (std::uint64_t m = 0; m < Guides::middles; ++m) {
        // Each middle makes the most of what the ones before it are far from.
        std::fill(total.begin(), total.end(), 0.0f);
        for (std::uint64_t q = 0; q < regions; ++q) {
          if (!(from[q][heart[r]] <= reach && from[q][heart[s]] <= reach)) continue;
          const float so_far = reached[q];
          for (std::uint64_t k = 0; k < candidates; ++k) total[k] += power[q][k] < so_far ? power[q][k] : so_far;
        }
        const auto best = static_cast<std::size_t>(std::min_element(total.begin(), total.end()) - total.begin());
        for (std::uint64_t q = 0; q < regions; ++q) reached[q] = std::min(reached[q], power[q][best]);
        const Vertex label = guides.label[candidate[best]];
        guides.middle[(r * regions + s) * Guides::middles + m] = guides.middle[(s * regions + r) * Guides::middles + m] = label;
      }
    }
  });
  return guides;
}

}  // namespace topo_interp
