// What the bindings take as text.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include "cpu/cpu_features.hpp"
#ifndef TOPO_INTERP_ISA
#define TOPO_INTERP_ISA binding
#endif
#include "metrics.hpp"

namespace topo_interp {

// An unknown name is an std::invalid_argument, which Python sees as a ValueError.
inline MetricKind metric_named(const std::string& name) {
  static constexpr std::pair<const char*, MetricKind> known[] = {
      {"euclidean", MetricKind::euclidean}, {"sqeuclidean", MetricKind::sqeuclidean}, {"manhattan", MetricKind::manhattan},
      {"chebyshev", MetricKind::chebyshev}, {"cosine", MetricKind::cosine},           {"chordal", MetricKind::chordal},
      {"angular", MetricKind::angular},     {"correlation", MetricKind::correlation}, {"hamming", MetricKind::hamming}};
  for (const auto& [text, metric] : known)
    if (name == text) return metric;
  throw std::invalid_argument("no metric is called '" + name + "'");
}

// "" is the best that there is; a set that was asked for and is missing is an error, never another set.
Isa isa_named(const std::string& name);

}  // namespace topo_interp
