#include "cpu/simd_avx2.hpp"
// After the registers of this instruction set, which it is written in:
#include "cpu/tile_impl.hpp"
