// One lane: the reference that builds everywhere.
#pragma once
#include <math.h>

#define TOPO_INTERP_ISA scalar
#include "metrics.hpp"

namespace topo_interp::scalar {

struct F64 {
  using Lane = double;
  using Mask = bool;
  static constexpr int lanes = 1, block_rows = 4, block_vectors = 4;
  double v;
  static TOPO_INTERP_FN F64 all(double a) { return {a}; }
  static TOPO_INTERP_FN F64 load(const double* p) { return {*p}; }
  static TOPO_INTERP_FN F64 widen(const float* p) { return {static_cast<double>(*p)}; }
  static TOPO_INTERP_FN F64 widen(const double* p) { return {*p}; }
  static TOPO_INTERP_FN F64 broadcast(const double* p) { return {*p}; }
  static TOPO_INTERP_FN F64 narrow(const F64* q) { return *q; }
  TOPO_INTERP_FN void store(double* p) const { *p = v; }
  TOPO_INTERP_FN void add_to(double* p) const { *p += v; }
  TOPO_INTERP_FN void max_to(double* p) const { *p = v > *p ? v : *p; }
  TOPO_INTERP_FN double sum() const { return v; }
  static TOPO_INTERP_FN Mask outside(F64 q, F64 low, F64 high) { return !(q.v >= low.v && q.v <= high.v); }
  static TOPO_INTERP_FN unsigned bits(Mask m) { return m ? 1u : 0u; }
  static TOPO_INTERP_FN F64 zero_where(Mask m, F64 a) { return {m ? 0.0 : a.v}; }
};
TOPO_INTERP_FN F64 operator+(F64 a, F64 b) { return {a.v + b.v}; }
TOPO_INTERP_FN F64 operator-(F64 a, F64 b) { return {a.v - b.v}; }
TOPO_INTERP_FN F64 operator*(F64 a, F64 b) { return {a.v * b.v}; }
TOPO_INTERP_FN F64 operator/(F64 a, F64 b) { return {a.v / b.v}; }
TOPO_INTERP_FN F64 multiply_add(F64 a, F64 b, F64 c) { return {a.v * b.v + c.v}; }
TOPO_INTERP_FN F64 larger(F64 a, F64 b) { return {a.v > b.v ? a.v : b.v}; }
TOPO_INTERP_FN F64 smaller(F64 a, F64 b) { return {a.v < b.v ? a.v : b.v}; }
TOPO_INTERP_FN F64 absolute(F64 a) { return {a.v < 0 ? -a.v : a.v}; }
TOPO_INTERP_FN void keep_in_register(F64&) {}
TOPO_INTERP_FN F64 square_root(F64 a) { return {::sqrt(a.v)}; }
TOPO_INTERP_FN F64 twice_arcsine(F64 a) { return {2 * ::asin(a.v > 1 ? 1 : a.v)}; }

struct F32 {
  using Lane = float;
  static constexpr int lanes = 1, block_rows = 4, block_vectors = 4;
  float v;
  static TOPO_INTERP_FN F32 all(double a) { return {static_cast<float>(a)}; }
  static TOPO_INTERP_FN F32 load(const float* p) { return {*p}; }
  static TOPO_INTERP_FN F32 broadcast(const float* p) { return {*p}; }
  static TOPO_INTERP_FN F32 narrow(const F64* q) { return {static_cast<float>(q->v)}; }
  TOPO_INTERP_FN void store(float* p) const { *p = v; }
  TOPO_INTERP_FN void add_to(double* p) const { *p += static_cast<double>(v); }
  TOPO_INTERP_FN void max_to(double* p) const { *p = static_cast<double>(v) > *p ? static_cast<double>(v) : *p; }
  TOPO_INTERP_FN double wide_sum() const { return static_cast<double>(v); }
};
TOPO_INTERP_FN F32 operator+(F32 a, F32 b) { return {a.v + b.v}; }
TOPO_INTERP_FN F32 operator-(F32 a, F32 b) { return {a.v - b.v}; }
TOPO_INTERP_FN F32 operator*(F32 a, F32 b) { return {a.v * b.v}; }
TOPO_INTERP_FN F32 multiply_add(F32 a, F32 b, F32 c) { return {a.v * b.v + c.v}; }
TOPO_INTERP_FN F32 larger(F32 a, F32 b) { return {a.v > b.v ? a.v : b.v}; }
TOPO_INTERP_FN F32 absolute(F32 a) { return {a.v < 0 ? -a.v : a.v}; }
TOPO_INTERP_FN void keep_in_register(F32&) {}
TOPO_INTERP_FN F32 square_root(F32 a) { return {::sqrtf(a.v)}; }
TOPO_INTERP_FN F32 twice_arcsine(F32 a) {
  const double h = static_cast<double>(a.v);
  return {static_cast<float>(2 * ::asin(h > 1 ? 1 : h))};
}

}  // namespace topo_interp::scalar
