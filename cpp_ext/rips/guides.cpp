// Labels and first guesses for the link scan.
#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>

#include "rips/link_scan.hpp"
#include "rips/parallel.hpp"

namespace topo_interp {
namespace {

void distances_from(const Condensed& matrix, Vertex from, float* out) {
  for (Vertex v = 0; v < from; ++v) out[v] = matrix.lengths[matrix.row(v) + from];
  out[from] = 0;
  for (std::uint64_t v = from + 1ull; v < matrix.n; ++v) out[v] = matrix.lengths[matrix.row(from) + v];
}

}  // namespace

Guides make_guides(const Condensed& matrix, Vertex center, int threads, const Control& control) {
  const std::uint64_t n = matrix.n;
  Guides guides;
  std::vector<float> from_center(n);
  distances_from(matrix, center, from_center.data());
  // Labels by distance from the center: what a central vertex has not reached yet stands in the last words of the rows.
  guides.vertex.resize(n);
  std::iota(guides.vertex.begin(), guides.vertex.end(), Vertex{0});
  std::stable_sort(guides.vertex.begin(), guides.vertex.end(),
                   [&](Vertex u, Vertex v) { return from_center[u] < from_center[v]; });
  guides.label.resize(n);
  for (std::uint64_t k = 0; k < n; ++k) guides.label[guides.vertex[k]] = static_cast<Vertex>(k);

  // Regions: nearest of some vertices spread over the labels.
  const std::uint64_t regions = std::min<std::uint64_t>(n, 96);
  guides.regions = static_cast<std::uint32_t>(regions);
  std::vector<float> from(regions * n);  // region x vertex
  for (std::uint64_t r = 0; r < regions; ++r) distances_from(matrix, guides.vertex[r * n / regions], from.data() + r * n);
  guides.region.assign(n, 0);
  std::vector<float> nearest(n, std::numeric_limits<float>::infinity());
  for (std::uint64_t r = 0; r < regions; ++r) {
    for (std::uint64_t k = 0; k < n; ++k) {
      const float length = from[r * n + guides.vertex[k]];
      if (length < nearest[k]) {
        nearest[k] = length;
        guides.region[k] = static_cast<std::uint16_t>(r);
      }
    }
  }
  guides.middle.assign(regions * regions, 0);
  std::atomic<std::uint64_t> next{0};
  run_threads(threads, [&](int) {
    for (std::uint64_t r; (r = next++) < regions && !control.stopped();) {
      for (std::uint64_t s = r; s < regions; ++s) {
        const float* const fr = from.data() + r * n;
        const float* const fs = from.data() + s * n;
        float best = std::numeric_limits<float>::infinity();
        for (std::uint64_t v = 0; v < n; ++v) {
          const float far = std::max(fr[v], fs[v]);
          best = far < best ? far : best;
        }
        std::uint64_t v = 0;
        while (v + 1 < n && std::max(fr[v], fs[v]) != best) ++v;
        guides.middle[r * regions + s] = guides.middle[s * regions + r] = guides.label[v];
      }
    }
  });
  return guides;
}

}  // namespace topo_interp
