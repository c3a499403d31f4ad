// Points as they are handed in; plain C++.
#pragma once
#include <cstdint>
#include <vector>

#include "cuda/device.hpp"

namespace topo_interp {
enum class MetricKind : int;
}

namespace topo_interp::cuda {

enum class Item : int { float16, bfloat16, float32, float64 };
inline constexpr std::int64_t item_size(Item item) { return item == Item::float64 ? 8 : item == Item::float32 ? 4 : 2; }

// Rows of neighbouring entries, `row_stride` entries apart, in memory of the host (pageable, or a mapped file) or of the device.
struct GivenPoints {
  const void* data = nullptr;
  Item item = Item::float32;
  std::int64_t rows = 0, cols = 0, row_stride = 0;
  bool on_device = false;
  const float* offset = nullptr;  // on the host: what was subtracted from 16-bit rows before they were rounded; null: nothing
  // Whether kernels whose entries have `size` bytes take these rows where they are.
  bool is_read_in_place(std::int64_t size) const { return on_device && item_size(item) == size; }
};

// Of rows on the device.
struct RowChecks {
  std::vector<std::uint8_t> flags;  // of each row, added up: 1 an entry is not finite, 2 one is not zero, 4 one differs from the first
  double largest;                   // absolute value of a finite entry
};
RowChecks check_rows(const GivenPoints& points, const Execution& on);

// Bytes that an operation may take: what is free, less a share for the runtime, and at most `asked` where that is not 0.
std::int64_t budget_of(std::int64_t asked);

// How a computation fits the memory: rows are handled in blocks of `side`, either all on the device or, `streamed`, three
// blocks at a time.
struct MemoryPlan {
  std::int64_t side;
  bool streamed, others_streamed;
  std::int64_t bytes;  // that it takes
};

// What the plan depends on, in bytes: of a prepared row, of an entry of a tile of side x side, of `tiles` such tiles, and
// `fixed` ones that no choice changes; and of the rows of a second cloud, which then stand across the tiles.
struct MemoryNeeds {
  std::int64_t rows, row_bytes, entry_bytes, tiles, fixed, others = 0, other_bytes = 0;
};

// The largest blocks that fit `budget`, resident if they can be. Throws OutOfMemory when not even the smallest fit.
MemoryPlan plan_memory(const MemoryNeeds& needs, std::int64_t budget);

}  // namespace topo_interp::cuda
