// Edges of a complete graph in the order of the filtration: by length, ties by (i, j).
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "interrupt.hpp"

namespace topo_interp {

using Vertex = std::uint32_t;

// What is constexpr below is also called on CUDA devices.

// A symmetric matrix without its diagonal, rows of the upper triangle one after the other (scipy's condensed form).
struct Condensed {
  const float* lengths;
  std::uint64_t n;

  constexpr std::uint64_t size() const { return n * (n - 1) / 2; }
  // Offset such that entry (i, j), i < j, stands at row(i) + j.
  constexpr std::uint64_t row(std::uint64_t i) const { return i * (2 * n - i - 1) / 2 - i - 1; }
  constexpr std::uint64_t index(std::uint64_t i, std::uint64_t j) const { return i < j ? row(i) + j : row(j) + i; }
  constexpr float operator()(std::uint64_t i, std::uint64_t j) const { return i == j ? 0.0f : lengths[index(i, j)]; }
};

// The bits of a non-negative float compare as the float does; adding zero turns -0 into +0.
constexpr std::uint32_t length_bits(float length) { return std::bit_cast<std::uint32_t>(length + 0.0f); }
constexpr float bits_length(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// Edges and keys in one integer. A packed edge orders as (i, j); a key orders as (length, i, j).
struct Narrow {  // n < 2^16
  using Packed = std::uint32_t;
  using Key = std::uint64_t;
  using Witness = std::uint16_t;
  static constexpr std::uint64_t vertex_limit = 65534;  // the two last values of Witness are marks
  static constexpr int shift = 16;
};
struct Wide {
  using Packed = std::uint64_t;
  __extension__ typedef unsigned __int128 Key;
  using Witness = std::uint32_t;
  static constexpr std::uint64_t vertex_limit = 4294967294;
  static constexpr int shift = 32;
};

template <class Format>
constexpr typename Format::Packed pack_edge(Vertex i, Vertex j) {
  return static_cast<typename Format::Packed>((static_cast<typename Format::Packed>(i) << Format::shift) | j);
}
template <class Format>
constexpr Vertex first_vertex(typename Format::Packed edge) {
  return static_cast<Vertex>(edge >> Format::shift);
}
template <class Format>
constexpr Vertex second_vertex(typename Format::Packed edge) {
  return static_cast<Vertex>(edge & ((typename Format::Packed{1} << Format::shift) - 1));
}

template <class Format>
struct SortedEdges {
  std::unique_ptr<typename Format::Packed[]> edges;
  std::size_t count = 0;
};

// The enclosing radius, min over i of max over j: past it the Rips complex is a cone. Also the sum of each row; the order
// of its additions does not depend on `threads`.
struct RowSummary {
  float radius = 0;
  std::vector<double> sum;
};
RowSummary summarize_rows(const Condensed& matrix, int threads, const Control& control);

// All edges of finite length <= cut. Stable bucket and radix sort; the result does not depend on `threads`.
template <class Format>
SortedEdges<Format> sort_edges(const Condensed& matrix, float cut, int threads, Control& control);

}  // namespace topo_interp
