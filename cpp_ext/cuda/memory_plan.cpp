#include <algorithm>
#include <span>

#include "cuda/cloud.hpp"

namespace topo_interp::cuda {

MemoryPlan plan_memory(const MemoryNeeds& needs, std::int64_t budget) {
  constexpr std::int64_t sides[] = {8192, 4096, 2048, 1024, 512, 256, 128};
  const std::int64_t longest = std::max(needs.rows, needs.others);
  const bool others_larger = needs.others * needs.other_bytes > needs.rows * needs.row_bytes;
  // All rows stay on the device; or those of the smaller cloud; or none. Of one cloud the last two are the same.
  const MemoryPlan ways[] = {{0, false, false, 0}, {0, !others_larger, others_larger, 0}, {0, true, needs.others != 0, 0}};
  std::int64_t smallest = 0;
  for (const MemoryPlan& way : std::span(ways).first(needs.others ? 3 : 2)) {
    const bool stays = !way.streamed || (needs.others && !way.others_streamed);
    for (const std::int64_t side : sides) {
      if (side > 128 && side / 2 >= longest) continue;  // larger than the cloud
      const auto held = [&](std::int64_t rows, bool streamed) { return streamed ? std::min(rows, 3 * side) : rows; };
      const std::int64_t tile = needs.others ? std::min(side, needs.rows) * std::min(side, needs.others) : side * side;
      const std::int64_t bytes = needs.fixed + held(needs.rows, way.streamed) * needs.row_bytes +
                                 held(needs.others, way.others_streamed) * needs.other_bytes + needs.tiles * tile * needs.entry_bytes;
      if (bytes <= budget) {
        // Small tiles waste the device; where they are all that fits beside rows that stay, these had better not stay.
        if (stays && side < 1024 && longest > 4 * side) continue;
        return {side, way.streamed, way.others_streamed, bytes};
      }
      smallest = bytes;
    }
  }
  throw OutOfMemory(smallest, budget);
}

std::int64_t budget_of(std::int64_t asked) {
  const std::int64_t there = free_device_bytes() / 20 * 19;  // the runtime takes some for itself
  return asked > 0 ? std::min(asked, there) : there;
}

}  // namespace topo_interp::cuda
