#include "cpu/median.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "parallel.hpp"

namespace topo_interp {
namespace {

constexpr int low_bits = 16;
constexpr std::size_t bins = std::size_t{1} << (32 - low_bits);

std::size_t bin_of(float value) { return std::bit_cast<std::uint32_t>(value) >> low_bits; }

}  // namespace

// One pass counts the leading halves of the bits, a second one collects what shares its half with a middle value.
float median_of(const float* values, std::int64_t count, int threads, const Control& control) {
  constexpr std::int64_t piece = std::int64_t{1} << 18;
  const std::int64_t pieces = pieces_of(count, piece);
  threads = static_cast<int>(std::clamp<std::int64_t>(threads, 1, pieces));
  std::vector<std::vector<std::int64_t>> counts(static_cast<std::size_t>(threads), std::vector<std::int64_t>(bins, 0));
  parallel_for(threads, pieces, control, [&](std::int64_t at, int worker) {
    std::int64_t* const mine = counts[static_cast<std::size_t>(worker)].data();
    for (std::int64_t k = at * piece; k < std::min(count, (at + 1) * piece); ++k) ++mine[bin_of(values[k])];
  });
  if (control.stopped()) return 0;
  // The k-th smallest lies in the bin where the running count passes k.
  const auto bin_with = [&](std::int64_t k, std::int64_t& before) {
    before = 0;
    for (std::size_t bin = 0;; ++bin) {
      std::int64_t here = 0;
      for (const std::vector<std::int64_t>& part : counts) here += part[bin];
      if (before + here > k) return bin;
      before += here;
    }
  };
  const std::int64_t lower = (count - 1) / 2, upper = count / 2;
  std::int64_t before = 0, before_upper = 0;
  const std::size_t first = bin_with(lower, before), last = bin_with(upper, before_upper);
  std::vector<float> near;
  for (std::int64_t k = 0; k < count; ++k) {
    if (k % piece == 0 && control.stopped()) return 0;
    if (const std::size_t bin = bin_of(values[k]); bin == first || bin == last) near.push_back(values[k]);
  }
  const auto value_at = [&](std::int64_t k) {
    const auto place = near.begin() + (k - before);
    std::nth_element(near.begin(), place, near.end(),
                     [](float a, float b) { return std::bit_cast<std::uint32_t>(a) < std::bit_cast<std::uint32_t>(b); });
    return static_cast<double>(*place);
  };
  const double low = value_at(lower);
  return static_cast<float>(lower == upper ? low : (low + value_at(upper)) / 2);
}

}  // namespace topo_interp
