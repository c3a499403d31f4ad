#include "cpu/median.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace topo_interp {
namespace {

// Two values, and how many lie where: those strictly between are kept.
struct Bracket {
  float low = 0, high = std::numeric_limits<float>::infinity();
};
struct Split {
  std::int64_t below = 0, at_low = 0, at_high = 0;
  std::vector<float> between;

  void take(const float* values, std::int64_t count, const Bracket& bracket) {
    constexpr std::int64_t strip = 1024;
    float kept[strip];
    for (std::int64_t start = 0; start < count; start += strip) {
      std::int64_t held = 0;
      for (std::int64_t k = start; k < std::min(count, start + strip); ++k) {
        const float value = values[k];
        below += value < bracket.low;
        at_low += value == bracket.low;
        at_high += (value == bracket.high) & (bracket.low < bracket.high);
        kept[held] = value;
        held += (value > bracket.low) & (value < bracket.high);
      }
      between.insert(between.end(), kept, kept + held);
    }
  }
};

// The middle values lie between two of a random sample, five standard deviations of its ranks to both sides of its middle.
Bracket guess(const float* values, std::int64_t count) {
  constexpr std::int64_t size = 16384, away = 5 * 64;
  if (count <= size) return {};
  std::linear_congruential_engine<std::uint64_t, 6364136223846793005u, 1442695040888963407u, 0> random(1);  // high bits are good
  std::vector<float> sample(static_cast<std::size_t>(size));
  for (float& value : sample) value = values[(random() >> 20) % static_cast<std::uint64_t>(count)];
  const auto middle = sample.begin() + size / 2;
  std::nth_element(sample.begin(), middle - away, sample.end());
  std::nth_element(middle - away + 1, middle + away, sample.end());
  return {middle[-away], middle[away]};
}

}  // namespace

float median_of(const float* values, std::int64_t count, int threads, const Control& control) {
  constexpr std::int64_t piece = std::int64_t{1} << 18;
  const std::int64_t pieces = pieces_of(count, piece);
  threads = static_cast<int>(std::clamp<std::int64_t>(threads, 1, pieces));
  const std::int64_t lower = (count - 1) / 2, upper = count / 2;
  for (const Bracket& bracket : {guess(values, count), Bracket()}) {  // all values lie in the bracket of zero and infinity
    std::vector<Split> parts(static_cast<std::size_t>(threads));
    parallel_for(threads, pieces, control, [&](std::int64_t at, int worker) {
      parts[static_cast<std::size_t>(worker)].take(values + at * piece, std::min(piece, count - at * piece), bracket);
    });
    if (control.stopped()) return 0;
    Split all = std::move(parts[0]);
    for (std::size_t part = 1; part < parts.size(); ++part) {
      all.below += parts[part].below;
      all.at_low += parts[part].at_low;
      all.at_high += parts[part].at_high;
      all.between.insert(all.between.end(), parts[part].between.begin(), parts[part].between.end());
    }
    const std::int64_t first = all.below + all.at_low, last = first + std::ssize(all.between);
    if (lower < all.below || upper >= last + all.at_high) continue;
    const auto value_at = [&](std::int64_t k) {
      if (k < first) return bracket.low;
      return k < last ? all.between[static_cast<std::size_t>(k - first)] : bracket.high;
    };
    // From the lower middle on nothing is smaller, and the upper one is the smallest of what follows.
    const auto place = all.between.begin() + std::clamp<std::int64_t>(lower - first, 0, std::ssize(all.between));
    if (place != all.between.end()) {
      std::nth_element(all.between.begin(), place, all.between.end());
      if (const auto next = std::min_element(place + 1, all.between.end()); next != all.between.end()) std::iter_swap(place + 1, next);
    }
    return static_cast<float>((static_cast<double>(value_at(lower)) + static_cast<double>(value_at(upper))) / 2);
  }
  throw std::invalid_argument("the median of numbers >= 0 was asked for, and some are not");
}

}  // namespace topo_interp
