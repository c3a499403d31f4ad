// Symmetric dissimilarities of n points, handed out tile by tile: what every algorithm without a distance matrix reads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "interrupt.hpp"

namespace topo_interp {

// The same pair has the same bits in every tile that holds it, in either order.
template <class T>
class DistanceSource {
 public:
  static constexpr std::int64_t side = 192;  // rows and columns of the largest tile

  // The scratch of one thread. A tile is written to out[row * side + column].
  class Reader {
   public:
    virtual ~Reader() = default;
    // Rows [i0, i1) against columns [j0, j1). Where both are the same range, entries on and below the diagonal may be
    // left as they are.
    virtual void tile(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, T* out, const Control& control) = 0;
    // The listed rows, at most `side`, for the calls of `chosen_tile` that follow.
    virtual void choose(const std::int32_t* rows, std::int64_t count) = 0;
    // All entries of the chosen rows against columns [j0, j1).
    virtual void chosen_tile(std::int64_t j0, std::int64_t j1, T* out, const Control& control) = 0;
    // And against the listed columns, at most `side`.
    virtual void chosen_tile(const std::int32_t* columns, std::int64_t count, T* out, const Control& control) = 0;
  };

  virtual ~DistanceSource() = default;
  virtual std::int64_t size() const = 0;
  virtual std::unique_ptr<Reader> reader() const = 0;
  // Of rows in groups (group[i] of row i, 0 .. groups - 1): [a * groups + b] is no more than any distance that is handed out
  // between a row of group a and one of group b. Zeros say nothing.
  virtual std::vector<T> lower_bounds(const std::vector<std::int32_t>& group, std::int64_t groups, int threads,
                                      const Control& control) const {
    (void)group, (void)threads, (void)control;
    return std::vector<T>(static_cast<std::size_t>(groups * groups), T(0));
  }
};

// The condensed upper triangle of somebody else's matrix, float32.
class CondensedSource final : public DistanceSource<float> {
 public:
  CondensedSource(const float* condensed, std::int64_t n) : condensed_(condensed), n_(n) {}
  std::int64_t size() const override { return n_; }
  std::unique_ptr<Reader> reader() const override { return std::make_unique<CondensedReader>(condensed_, n_); }

 private:
  class CondensedReader final : public Reader {
   public:
    CondensedReader(const float* condensed, std::int64_t n) : condensed_(condensed), n_(n) {}
    void tile(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, float* out, const Control&) override {
      for (std::int64_t i = i0; i < i1; ++i, out += side)
        for (std::int64_t j = j0; j < j1; ++j) out[j - j0] = entry(i, j);
    }
    void choose(const std::int32_t* rows, std::int64_t count) override { chosen_.assign(rows, rows + count); }
    void chosen_tile(std::int64_t j0, std::int64_t j1, float* out, const Control&) override {
      for (const std::int32_t i : chosen_) {
        for (std::int64_t j = j0; j < j1; ++j) out[j - j0] = entry(i, j);
        out += side;
      }
    }
    void chosen_tile(const std::int32_t* columns, std::int64_t count, float* out, const Control&) override {
      for (const std::int32_t i : chosen_) {
        for (std::int64_t c = 0; c < count; ++c) out[c] = entry(i, columns[c]);
        out += side;
      }
    }

   private:
    float entry(std::int64_t i, std::int64_t j) const {
      const std::int64_t low = std::min(i, j), high = std::max(i, j);
      return low == high ? 0.0F : condensed_[low * (2 * n_ - low - 1) / 2 + (high - low - 1)];
    }
    const float* condensed_;
    std::int64_t n_;
    std::vector<std::int32_t> chosen_;
  };

  const float* condensed_;
  std::int64_t n_;
};

}  // namespace topo_interp
