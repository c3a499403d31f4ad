// The metrics of metrics.hpp for the device: one lane of float or double, as on the CPU, with CUDA's functions.
#pragma once
#include <cmath>
#include <cstdint>

#include "cuda/kernel.cuh"

#define TOPO_INTERP_ISA device
#ifndef TOPO_INTERP_EMULATED
#define TOPO_INTERP_FN __host__ __device__ __forceinline__
#ifdef __CUDA_ARCH__
#define TOPO_INTERP_POPCOUNT __popcll
#endif
#endif
#include "distance_rules.hpp"
#include "metrics.hpp"

namespace topo_interp::device {

template <class T>
struct Lane {
  T v;
  static TOPO_INTERP_FN Lane all(double a) { return {static_cast<T>(a)}; }
  TOPO_INTERP_FN void add_to(double* p) const { *p += static_cast<double>(v); }
  TOPO_INTERP_FN void max_to(double* p) const { *p = static_cast<double>(v) > *p ? static_cast<double>(v) : *p; }
};
template <class T>
TOPO_INTERP_FN Lane<T> operator+(Lane<T> a, Lane<T> b) { return {a.v + b.v}; }
template <class T>
TOPO_INTERP_FN Lane<T> operator-(Lane<T> a, Lane<T> b) { return {a.v - b.v}; }
template <class T>
TOPO_INTERP_FN Lane<T> operator*(Lane<T> a, Lane<T> b) { return {a.v * b.v}; }
template <class T>
TOPO_INTERP_FN Lane<T> larger(Lane<T> a, Lane<T> b) { return {a.v > b.v ? a.v : b.v}; }
template <class T>
TOPO_INTERP_FN Lane<T> absolute(Lane<T> a) { return {a.v < 0 ? -a.v : a.v}; }
TOPO_INTERP_FN Lane<float> multiply_add(Lane<float> a, Lane<float> b, Lane<float> c) { return {::fmaf(a.v, b.v, c.v)}; }
TOPO_INTERP_FN Lane<double> multiply_add(Lane<double> a, Lane<double> b, Lane<double> c) { return {::fma(a.v, b.v, c.v)}; }
TOPO_INTERP_FN Lane<float> square_root(Lane<float> a) { return {::sqrtf(a.v)}; }
TOPO_INTERP_FN Lane<double> square_root(Lane<double> a) { return {::sqrt(a.v)}; }
template <class T>
TOPO_INTERP_FN Lane<T> twice_arcsine(Lane<T> a) {
  const double h = static_cast<double>(a.v);
  return {static_cast<T>(2 * ::asin(h > 1 ? 1 : h))};
}

// What a kernel has to know of a metric of products when it runs: which one is an argument, so that one kernel does for all.
struct ProductFacts {
  bool unit_rows, centered_rows;
  double largest_trusted;
};
template <class Metric>
constexpr ProductFacts facts_of() {
  return {Metric::unit_rows, Metric::centered_rows, Metric::largest_trusted};
}

// act(Metric{}) of a metric of products; of no other.
template <class Act>
TOPO_INTERP_FN auto with_product(MetricKind kind, Act&& act) {
  switch (kind) {
    case MetricKind::sqeuclidean: return act(SqEuclidean{});
    case MetricKind::cosine: return act(Cosine{});
    case MetricKind::chordal: return act(Chordal{});
    case MetricKind::angular: return act(Angular{});
    case MetricKind::correlation: return act(Correlation{});
    default: return act(Euclidean{});
  }
}

constexpr bool is_product(MetricKind kind) {
  return kind != MetricKind::manhattan && kind != MetricKind::chebyshev && kind != MetricKind::hamming;
}

template <class T>
TOPO_INTERP_FN T distance_of(MetricKind kind, Lane<T> squared) {
  return with_product(kind, [&](auto metric) { return decltype(metric)::epilogue(squared).v; });
}

}  // namespace topo_interp::device
