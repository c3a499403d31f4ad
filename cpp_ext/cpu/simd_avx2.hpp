// AVX2 with FMA: 8 floats or 4 doubles to a register, blocks of 4 rows by 3 registers (12 accumulators of 16).
#pragma once
#include <immintrin.h>
#include <math.h>

#define TOPO_INTERP_ISA avx2
#include "metrics.hpp"

namespace topo_interp::avx2 {

struct F64 {
  using Lane = double;
  using Mask = __m256d;
  static constexpr int lanes = 4, block_rows = 4, block_vectors = 3;
  __m256d v;
  static TOPO_INTERP_FN F64 all(double a) { return {_mm256_set1_pd(a)}; }
  static TOPO_INTERP_FN F64 load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static TOPO_INTERP_FN F64 widen(const float* p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
  static TOPO_INTERP_FN F64 widen(const double* p) { return load(p); }
  static TOPO_INTERP_FN F64 broadcast(const double* p) { return {_mm256_broadcast_sd(p)}; }
  static TOPO_INTERP_FN F64 narrow(const F64* q) { return *q; }
  TOPO_INTERP_FN void store(double* p) const { _mm256_storeu_pd(p, v); }
  TOPO_INTERP_FN void add_to(double* p) const { _mm256_storeu_pd(p, _mm256_add_pd(_mm256_loadu_pd(p), v)); }
  TOPO_INTERP_FN void max_to(double* p) const { _mm256_storeu_pd(p, _mm256_max_pd(_mm256_loadu_pd(p), v)); }
  TOPO_INTERP_FN double sum() const {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
  // Ordered comparisons: a NaN counts as outside.
  static TOPO_INTERP_FN Mask outside(F64 q, F64 low, F64 high) {
    const Mask inside = _mm256_and_pd(_mm256_cmp_pd(q.v, low.v, _CMP_GE_OQ), _mm256_cmp_pd(q.v, high.v, _CMP_LE_OQ));
    return _mm256_xor_pd(inside, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)));
  }
  static TOPO_INTERP_FN unsigned bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_pd(m)); }
  static TOPO_INTERP_FN F64 zero_where(Mask m, F64 a) { return {_mm256_andnot_pd(m, a.v)}; }
};
TOPO_INTERP_FN F64 operator+(F64 a, F64 b) { return {_mm256_add_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator-(F64 a, F64 b) { return {_mm256_sub_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator*(F64 a, F64 b) { return {_mm256_mul_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 operator/(F64 a, F64 b) { return {_mm256_div_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 multiply_add(F64 a, F64 b, F64 c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
TOPO_INTERP_FN F64 larger(F64 a, F64 b) { return {_mm256_max_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 smaller(F64 a, F64 b) { return {_mm256_min_pd(a.v, b.v)}; }
TOPO_INTERP_FN F64 absolute(F64 a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
// The units that multiply and add are free where differences are taken; `one` is hidden, or the compiler would see a subtraction.
TOPO_INTERP_FN F64 difference(F64 x, F64 y) {
  F64 one = F64::all(1);
  asm("" : "+x"(one.v));
  return {_mm256_fmsub_pd(x.v, one.v, y.v)};
}
TOPO_INTERP_FN void keep_in_register(F64& a) { asm volatile("" : "+x"(a.v) : : "memory"); }
TOPO_INTERP_FN F64 square_root(F64 a) { return {_mm256_sqrt_pd(a.v)}; }
TOPO_INTERP_FN F64 twice_arcsine(F64 a) {
  double lane[4];
  a.store(lane);
  for (double& h : lane) h = 2 * ::asin(h > 1 ? 1 : h);
  return F64::load(lane);
}

struct F32 {
  using Lane = float;
  static constexpr int lanes = 8, block_rows = 4, block_vectors = 3;
  __m256 v;
  static TOPO_INTERP_FN F32 all(double a) { return {_mm256_set1_ps(static_cast<float>(a))}; }
  static TOPO_INTERP_FN F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static TOPO_INTERP_FN F32 broadcast(const float* p) { return {_mm256_broadcast_ss(p)}; }
  static TOPO_INTERP_FN F32 narrow(const F64* q) {
    return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(q[0].v)), _mm256_cvtpd_ps(q[1].v), 1)};
  }
  TOPO_INTERP_FN F64 low() const { return {_mm256_cvtps_pd(_mm256_castps256_ps128(v))}; }
  TOPO_INTERP_FN F64 high() const { return {_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))}; }
  TOPO_INTERP_FN void store(float* p) const { _mm256_storeu_ps(p, v); }
  TOPO_INTERP_FN void add_to(double* p) const {
    low().add_to(p);
    high().add_to(p + 4);
  }
  TOPO_INTERP_FN void max_to(double* p) const {
    low().max_to(p);
    high().max_to(p + 4);
  }
  TOPO_INTERP_FN double wide_sum() const { return F64{_mm256_add_pd(low().v, high().v)}.sum(); }
};
TOPO_INTERP_FN F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 multiply_add(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
TOPO_INTERP_FN F32 larger(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
TOPO_INTERP_FN F32 absolute(F32 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
TOPO_INTERP_FN F32 difference(F32 x, F32 y) {
  F32 one = F32::all(1);
  asm("" : "+x"(one.v));
  return {_mm256_fmsub_ps(x.v, one.v, y.v)};
}
TOPO_INTERP_FN void keep_in_register(F32& a) { asm volatile("" : "+x"(a.v) : : "memory"); }
TOPO_INTERP_FN F32 square_root(F32 a) { return {_mm256_sqrt_ps(a.v)}; }
TOPO_INTERP_FN F32 twice_arcsine(F32 a) {
  float lane[8];
  a.store(lane);
  for (float& h : lane) {
    const double wide = static_cast<double>(h);
    h = static_cast<float>(2 * ::asin(wide > 1 ? 1 : wide));
  }
  return F32::load(lane);
}

}  // namespace topo_interp::avx2
