// AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles to a register, blocks of 8 rows by 3 registers (24 accumulators of 32).
#pragma once
#include <immintrin.h>
#include <math.h>

#define TOPO_INTERP_ISA avx512
#include "metrics.hpp"

namespace topo_interp::avx512 {

struct F64 {
  using Lane = double;
  using Mask = __mmask8;
  static constexpr int lanes = 8, block_rows = 8, block_vectors = 3;
  __m512d v;
  static TOPO_INTERP_FN F64 all(double a) { return {_mm512_set1_pd(a)}; }
  static TOPO_INTERP_FN F64 load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static TOPO_INTERP_FN F64 widen(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  static TOPO_INTERP_FN F64 widen(const double* p) { return load(p); }
  static TOPO_INTERP_FN F64 broadcast(const double* p) { return {_mm512_set1_pd(*p)}; }
  static TOPO_INTERP_FN F64 narrow(const F64* q) { return *q; }
  TOPO_INTERP_FN void store(double* p) const { _mm512_storeu_pd(p, v); }
  TOPO_INTERP_FN void add_to(double* p) const { _mm512_storeu_pd(p, _mm512_add_pd(_mm512_loadu_pd(p), v)); }
  TOPO_INTERP_FN void max_to(double* p) const { _mm512_storeu_pd(p, _mm512_max_pd(_mm512_loadu_pd(p), v)); }
  TOPO_INTERP_FN double sum() const { return _mm512_reduce_add_pd(v); }
  // Ordered comparisons: a NaN counts as outside.
  static TOPO_INTERP_FN Mask outside(F64 q, F64 low, F64 high) {
    return static_cast<Mask>(~_mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(q.v, low.v, _CMP_GE_OQ), q.v, high.v, _CMP_LE_OQ));
  }
  static TOPO_INTERP_FN unsigned bits(Mask m) { return m; }
  static TOPO_INTERP_FN F64 zero_where(Mask m, F64 a) { return {_mm512_maskz_mov_pd(static_cast<Mask>(~m), a.v)}; }
};
TOPO_INTERP_FN F64 operator+(F64 a, F64 b) { return {_mm512_add_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator-(F64 a, F64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator*(F64 a, F64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator/(F64 a, F64 b) { return {_mm512_div_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 multiply_add(F64 a, F64 b, F64 c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
TOPO_INTERP_FN F64 larger(F64 a, F64 b) { return {_mm512_max_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 smaller(F64 a, F64 b) { return {_mm512_min_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 absolute(F64 a) { return {_mm512_abs_pd(a.v)}; }
// The units that multiply and add are free where differences are taken; `one` is hidden, or the compiler would see a subtraction.
TOPO_INTERP_FN F64 difference(F64 x, F64 y) {
  F64 one = F64::all(1);
  asm("" : "+v"(one.v));
  return {_mm512_fmsub_pd(x.v, one.v, y.v)};
}
// 0b1011: the larger of the absolute values, without a sign.
TOPO_INTERP_FN F64 larger_size(F64 most, F64 a) { return {_mm512_range_pd(most.v, a.v, 0b1011)}; }
TOPO_INTERP_FN void keep_in_register(F64& a) { asm volatile("" : "+v"(a.v) : : "memory"); }
TOPO_INTERP_FN F64 square_root(F64 a) { return {_mm512_sqrt_pd(a.v)}; }
TOPO_INTERP_FN F64 twice_arcsine(F64 a) {
  double lane[8];
  a.store(lane);
  for (double& h : lane) h = 2 * ::asin(h > 1 ? 1 : h);
  return F64::load(lane);
}

struct F32 {
  using Lane = float;
  static constexpr int lanes = 16, block_rows = 8, block_vectors = 3;
  __m512 v;
  static TOPO_INTERP_FN F32 all(double a) { return {_mm512_set1_ps(static_cast<float>(a))}; }
  static TOPO_INTERP_FN F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static TOPO_INTERP_FN F32 broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
  static TOPO_INTERP_FN F32 narrow(const F64* q) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(q[0].v)), _mm512_cvtpd_ps(q[1].v), 1)};
  }
  TOPO_INTERP_FN F64 low() const { return {_mm512_cvtps_pd(_mm512_castps512_ps256(v))}; }
  TOPO_INTERP_FN F64 high() const { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))}; }
  TOPO_INTERP_FN void store(float* p) const { _mm512_storeu_ps(p, v); }
  TOPO_INTERP_FN void add_to(double* p) const {
    low().add_to(p);
    high().add_to(p + 8);
  }
  TOPO_INTERP_FN void max_to(double* p) const {
    low().max_to(p);
    high().max_to(p + 8);
  }
  TOPO_INTERP_FN double wide_sum() const { return F64{_mm512_add_pd(low().v, high().v)}.sum(); }
};
TOPO_INTERP_FN F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 multiply_add(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
TOPO_INTERP_FN F32 larger(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 absolute(F32 a) { return {_mm512_abs_ps(a.v)}; }
TOPO_INTERP_FN F32 difference(F32 x, F32 y) {
  F32 one = F32::all(1);
  asm("" : "+v"(one.v));
  return {_mm512_fmsub_ps(x.v, one.v, y.v)};
}
TOPO_INTERP_FN F32 larger_size(F32 most, F32 a) { return {_mm512_range_ps(most.v, a.v, 0b1011)}; }
TOPO_INTERP_FN void keep_in_register(F32& a) { asm volatile("" : "+v"(a.v) : : "memory"); }
TOPO_INTERP_FN F32 square_root(F32 a) { return {_mm512_sqrt_ps(a.v)}; }
TOPO_INTERP_FN F32 twice_arcsine(F32 a) {
  float lane[16];
  a.store(lane);
  for (float& h : lane) {
    const double wide = static_cast<double>(h);
    h = static_cast<float>(2 * ::asin(wide > 1 ? 1 : wide));
  }
  return F32::load(lane);
}

}  // namespace topo_interp::avx512
