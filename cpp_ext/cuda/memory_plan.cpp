#include <algorithm>

#include "cuda/cloud.hpp"

namespace topo_interp::cuda {

MemoryPlan plan_memory(const MemoryNeeds& needs, std::int64_t budget) {
  constexpr std::int64_t sides[] = {8192, 4096, 2048, 1024, 512, 256, 128};
  std::int64_t smallest = 0;
  for (const bool streamed : {false, true}) {
    for (const std::int64_t side : sides) {
      if (side > 128 && side / 2 >= needs.rows) continue;  // larger than the cloud
      const std::int64_t rows = streamed ? std::min(needs.rows, 3 * side) : needs.rows;
      const std::int64_t bytes = needs.fixed + rows * needs.row_bytes + needs.tiles * side * side * needs.entry_bytes;
      if (bytes <= budget) {
        // Small tiles waste the device; where they are all that fits beside the cloud, half of it elsewhere is the better deal.
        if (!streamed && side < 1024 && needs.rows > 4 * side) continue;
        return {side, streamed, bytes};
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
