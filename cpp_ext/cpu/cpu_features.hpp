// Which instruction sets this process may use: decided once per call from the machine and an explicit override.
#pragma once
#include <string_view>

namespace topo_interp {

enum class Isa { scalar = 0, avx2 = 1, avx512 = 2 };

// The best set that the machine (and its operating system) runs and that this build holds.
Isa best_isa();
std::string_view isa_name(Isa isa);

}  // namespace topo_interp
