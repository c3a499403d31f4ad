#include "cpu/pairwise.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#define TOPO_INTERP_ISA common
#include "parallel.hpp"
#include "cpu/group_bounds.hpp"
#include "distance_rules.hpp"
#include "metrics.hpp"

namespace topo_interp {
namespace {

template <class T>
const TileKernel<T>* kernel_for(Isa isa) {
  constexpr bool single = sizeof(T) == sizeof(float);
#ifdef TOPO_INTERP_X86
  if constexpr (single) {
    if (isa == Isa::avx512) return &avx512::kernel_float32;
    if (isa == Isa::avx2) return &avx2::kernel_float32;
  } else {
    if (isa == Isa::avx512) return &avx512::kernel_float64;
    if (isa == Isa::avx2) return &avx2::kernel_float64;
  }
#endif
  (void)isa;
  if constexpr (single) {
    return &scalar::kernel_float32;
  } else {
    return &scalar::kernel_float64;
  }
}

struct Facts {
  bool needs_norms, unit_rows, centered_rows;
};
template <class Metric>
constexpr Facts facts_of() {
  if constexpr (Metric::needs_norms) {
    return {true, Metric::unit_rows, Metric::centered_rows};
  } else {
    return {false, false, false};
  }
}
Facts facts(MetricKind metric) {
  switch (metric) {
    case MetricKind::euclidean: return facts_of<common::Euclidean>();
    case MetricKind::sqeuclidean: return facts_of<common::SqEuclidean>();
    case MetricKind::manhattan: return facts_of<common::Manhattan>();
    case MetricKind::chebyshev: return facts_of<common::Chebyshev>();
    case MetricKind::cosine: return facts_of<common::Cosine>();
    case MetricKind::chordal: return facts_of<common::Chordal>();
    case MetricKind::angular: return facts_of<common::Angular>();
    case MetricKind::correlation: return facts_of<common::Correlation>();
    case MetricKind::hamming: return facts_of<common::Hamming>();
  }
  return {};
}

// Exponent of the lowest set bit of a double, so that it is an odd multiple of 2^exponent; subnormals are not told apart.
int lowest_bit(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
  return static_cast<int>(bits >> 52 & 2047) - 1075 + std::countr_zero(mantissa);
}

// Columns whose entries are all small multiples of a power of two (integers, say) get their center rounded to a multiple of
// it: centered entries are then exact, products of them too, and every instruction set gives the same bits.
struct Lattice {
  std::vector<int> low, high;
  std::vector<std::int32_t> coarse;  // columns for which it can still matter
  explicit Lattice(std::int64_t cols)
      : low(static_cast<std::size_t>(cols), std::numeric_limits<int>::max()),
        high(static_cast<std::size_t>(cols), std::numeric_limits<int>::min() / 2),
        coarse(static_cast<std::size_t>(cols)) {
    std::iota(coarse.begin(), coarse.end(), 0);
  }
  bool is_coarse(std::size_t column) const {
    return low[column] == std::numeric_limits<int>::max() || std::int64_t{high[column]} - low[column] <= lattice_bits;
  }
  template <class T>
  void see(const T* row) {
    for (const std::int32_t column : coarse) {
      const double value = static_cast<double>(row[column]);
      if (value == 0) continue;
      const auto at = static_cast<std::size_t>(column);
      low[at] = std::min(low[at], lowest_bit(value));
      high[at] = std::max(high[at], std::ilogb(value));
    }
  }
  void forget_fine() { std::erase_if(coarse, [&](std::int32_t column) { return !is_coarse(static_cast<std::size_t>(column)); }); }
  void join(const Lattice& other) {
    for (std::size_t column = 0; column < low.size(); ++column) {
      low[column] = std::min(low[column], other.low[column]);
      high[column] = std::max(high[column], other.high[column]);
    }
  }
};

bool asked_to_stop(const void* control) { return static_cast<const Control*>(control)->stopped(); }

}  // namespace

bool has_isa(Isa isa) {
#ifdef TOPO_INTERP_X86
  return isa <= best_isa();
#else
  return isa == Isa::scalar;
#endif
}

template <class T>
PairwiseDistances<T>::PairwiseDistances(MatrixView<T> x, MatrixView<T> y, MetricKind metric, Isa isa, int threads,
                                        const Control& control)
    : x_(x), y_(y), symmetric_(y.data == nullptr), kernel_(kernel_for<T>(isa)), job_{} {
  const Facts known = facts(metric);
  needs_norms_ = known.needs_norms;
  unit_rows_ = known.unit_rows;
  centered_rows_ = known.centered_rows;
  job_.metric = metric;
  job_.cols = x.cols;
  constexpr bool single = sizeof(T) == sizeof(float);
  const bool rounds = single && metric != MetricKind::chebyshev;  // a maximum does not, and takes chains as long as doubles do
  job_.chain = chain_length(rounds, needs_norms_, x.cols, 8);
  job_.recompute = recompute_share<T>;
  job_.underflow = least_square<T>(x.cols);
  job_.x.rows = x.data;
  job_.x.row_stride = x.row_stride;
  job_.y.rows = y.data;
  job_.y.row_stride = y.row_stride;
  if (metric == MetricKind::hamming) {
    job_.words = (x.cols + 63) / 64;
    pack_signs(job_.x, x_, x_bits_, threads, control);
    if (!symmetric_) pack_signs(job_.y, y_, y_bits_, threads, control);
  } else {
    if (unit_rows_) {
      measure_rows(job_.x, x_, x_scale_, x_shift_, threads, control);
      if (!symmetric_) measure_rows(job_.y, y_, y_scale_, y_shift_, threads, control);
    }
    if (needs_norms_) {
      choose_center(threads, control);
      if (single) choose_order();
    }
    prepare(job_.x, x_, x_panels_, x_norms_, threads, control);
    if (!symmetric_) prepare(job_.y, y_, y_panels_, y_norms_, threads, control);
  }
  if (symmetric_) job_.y = job_.x;
}

template <class T>
void PairwiseDistances<T>::prepare(TileSide<T>& side, MatrixView<T> rows, AlignedBuffer<T>& panels, AlignedBuffer<double>& norms,
                                   int threads, const Control& control) {
  const std::int64_t width = kernel_->width, count = pieces_of(rows.rows, width);
  panels = AlignedBuffer<T>(static_cast<std::size_t>(count * width * rows.cols));
  if (needs_norms_) norms = AlignedBuffer<double>(static_cast<std::size_t>(count * width));
  const double* center = needs_norms_ ? center_.data() : nullptr;
  const std::int32_t* order = order_.empty() ? nullptr : order_.data();
  parallel_for(threads, count, control, [&](std::int64_t panel, int) {
    kernel_->pack(side, rows.rows, rows.cols, panel, center, order, panels.data() + panel * width * rows.cols,
                  needs_norms_ ? norms.data() + panel * width : nullptr);
  });
  side.panels = panels.data();
  side.squared_norms = norms.data();
}

template <class T>
void PairwiseDistances<T>::measure_rows(TileSide<T>& side, MatrixView<T> rows, std::vector<double>& scale,
                                        std::vector<double>& shift, int threads, const Control& control) {
  scale.resize(static_cast<std::size_t>(rows.rows));
  shift.resize(static_cast<std::size_t>(rows.rows));
  const std::int64_t piece = chunk_rows(rows.rows);
  parallel_for(threads, pieces_of(rows.rows, piece), control, [&](std::int64_t chunk, int) {
    for (std::int64_t i = chunk * piece; i < std::min(rows.rows, (chunk + 1) * piece); ++i) {
      const T* row = rows.data + i * rows.row_stride;
      double mean = 0, squares = 0;
      if (centered_rows_) {
        for (std::int64_t k = 0; k < rows.cols; ++k) mean += static_cast<double>(row[k]);
        mean /= static_cast<double>(rows.cols);
        double rest = 0;  // the mean of what is left takes the rounding of the first sum away
        for (std::int64_t k = 0; k < rows.cols; ++k) rest += static_cast<double>(row[k]) - mean;
        mean += rest / static_cast<double>(rows.cols);
      }
      for (std::int64_t k = 0; k < rows.cols; ++k) {
        const double entry = static_cast<double>(row[k]) - mean;
        squares += entry * entry;
      }
      shift[static_cast<std::size_t>(i)] = mean;
      scale[static_cast<std::size_t>(i)] = 1 / std::sqrt(squares);
    }
  });
  side.scale = scale.data();
  side.shift = shift.data();
}

template <class T>
void PairwiseDistances<T>::choose_center(int threads, const Control& control) {
  const auto cols = static_cast<std::size_t>(x_.cols);
  center_.assign(cols, 0);
  Lattice lattice(x_.cols);
  std::int64_t total = 0;
  for (const bool second : {false, true}) {
    if (second && symmetric_) break;
    const MatrixView<T> rows = second ? y_ : x_;
    const TileSide<T>& side = second ? job_.y : job_.x;
    const std::int64_t chosen = std::min(rows.rows, center_rows);
    const std::int64_t piece = chunk_rows(chosen), count = pieces_of(chosen, piece);
    total += chosen;
    std::vector<std::vector<double>> sums(static_cast<std::size_t>(count));
    std::vector<Lattice> seen(static_cast<std::size_t>(count), Lattice(0));
    parallel_for(threads, count, control, [&](std::int64_t chunk, int) {
      std::vector<double> sum(cols, 0.0);
      Lattice local(unit_rows_ ? 0 : x_.cols);
      for (std::int64_t place = chunk * piece; place < std::min(chosen, (chunk + 1) * piece); ++place) {
        const std::int64_t i = chosen == rows.rows ? place : scattered_row(place, rows.rows);
        const T* row = rows.data + i * rows.row_stride;
        if (side.scale) {
          const double scale = side.scale[i], shift = side.shift[i];
          for (std::size_t k = 0; k < cols; ++k) sum[k] += (static_cast<double>(row[k]) - shift) * scale;
        } else {
          for (std::size_t k = 0; k < cols; ++k) sum[k] += static_cast<double>(row[k]);
          local.see(row);
          if (place % 8 == 1) local.forget_fine();
        }
      }
      sums[static_cast<std::size_t>(chunk)] = std::move(sum);
      seen[static_cast<std::size_t>(chunk)] = std::move(local);
    });
    if (control.stopped()) return;
    for (std::size_t chunk = 0; chunk < sums.size(); ++chunk) {
      for (std::size_t k = 0; k < cols; ++k) center_[k] += sums[chunk][k];
      if (!unit_rows_) lattice.join(seen[chunk]);
    }
  }
  for (std::size_t k = 0; k < cols; ++k) {
    double& mean = center_[k];
    mean /= static_cast<double>(total);
    if (!unit_rows_ && lattice.is_coarse(k) && lattice.low[k] != std::numeric_limits<int>::max())
      mean = std::ldexp(std::nearbyint(std::ldexp(mean, -lattice.low[k])), lattice.low[k]);
    mean = static_cast<double>(static_cast<T>(mean));
  }
}

// A chain's error grows with its partial sums. Where few coordinates carry most of the spread they are summed last, so that
// all the others meet small sums.
template <class T>
void PairwiseDistances<T>::choose_order() {
  const auto cols = static_cast<std::size_t>(x_.cols);
  constexpr std::int64_t sample = 256;
  std::vector<double> spread(cols, 0.0);
  for (const bool second : {false, true}) {
    if (second && symmetric_) break;
    const MatrixView<T> rows = second ? y_ : x_;
    const TileSide<T>& side = second ? job_.y : job_.x;
    for (std::int64_t i = 0; i < rows.rows; i += std::max<std::int64_t>(1, rows.rows / sample)) {
      const T* row = rows.data + i * rows.row_stride;
      const double scale = side.scale ? side.scale[i] : 1, shift = side.scale ? side.shift[i] : 0;
      for (std::size_t k = 0; k < cols; ++k) {
        const double entry = (static_cast<double>(row[k]) - shift) * scale - center_[k];
        spread[k] += entry * entry;
      }
    }
  }
  const double largest = *std::max_element(spread.begin(), spread.end());
  const double mean = std::accumulate(spread.begin(), spread.end(), 0.0) / static_cast<double>(cols);
  if (!(largest > uneven_spread * mean)) return;
  order_.resize(cols);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
    return spread[static_cast<std::size_t>(a)] < spread[static_cast<std::size_t>(b)];
  });
  std::vector<double> ordered(cols);
  for (std::size_t k = 0; k < cols; ++k) ordered[k] = center_[static_cast<std::size_t>(order_[k])];
  center_ = std::move(ordered);
}

template <class T>
void PairwiseDistances<T>::pack_signs(TileSide<T>& side, MatrixView<T> rows, std::vector<std::uint64_t>& bits, int threads,
                                      const Control& control) {
  bits.assign(static_cast<std::size_t>(rows.rows * job_.words), 0);
  const std::int64_t piece = chunk_rows(rows.rows);
  parallel_for(threads, pieces_of(rows.rows, piece), control, [&](std::int64_t chunk, int) {
    for (std::int64_t i = chunk * piece; i < std::min(rows.rows, (chunk + 1) * piece); ++i) {
      const T* row = rows.data + i * rows.row_stride;
      std::uint64_t* word = bits.data() + i * job_.words;
      for (std::int64_t k = 0; k < rows.cols; ++k) word[k / 64] |= std::uint64_t{row[k] > 0} << (k % 64);
    }
  });
  side.bits = bits.data();
}

template <class T>
void PairwiseDistances<T>::tile(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1, bool upper, double* scratch,
                                T* out, std::int64_t ld, TileStats& stats, const Control& control) const {
  kernel_->tile(job_, i0, i1, j0, j1, upper, scratch, out, ld, &stats, StopSignal{&asked_to_stop, &control});
}

template <class T>
void PairwiseDistances<T>::gather(const std::int32_t* rows, std::int64_t count, GatheredRows<T>& to) const {
  const std::int64_t width = kernel_->width, cols = x_.cols;
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  to.rows = count;
  to.given.resize(at(count * cols));
  for (std::int64_t r = 0; r < count; ++r) std::copy_n(x_.data + rows[r] * x_.row_stride, cols, to.given.data() + r * cols);
  const auto choose = [&](const auto* from, auto& into, std::int64_t each) {
    into.resize(at(count * each));
    for (std::int64_t r = 0; from && r < count; ++r) std::copy_n(from + rows[r] * each, each, into.data() + r * each);
  };
  choose(job_.x.scale, to.scale, 1);
  choose(job_.x.shift, to.shift, 1);
  choose(job_.x.bits, to.bits, job_.words);
  if (!job_.x.panels) return;
  const std::int64_t panels = pieces_of(count, width);
  if (to.room < count) {
    to.room = panels * width;
    to.panels = AlignedBuffer<T>(at(to.room * cols));
    if (needs_norms_) to.squared_norms.resize(at(to.room));
  }
  for (std::int64_t panel = 0; panel < panels; ++panel) {  // anew: a row of a panel lies on as many cache lines as it has entries
    kernel_->pack(side_of(to), count, cols, panel, needs_norms_ ? center_.data() : nullptr, order_.empty() ? nullptr : order_.data(),
                  to.panels.data() + panel * width * cols, needs_norms_ ? to.squared_norms.data() + panel * width : nullptr);
  }
}

template <class T>
TileSide<T> PairwiseDistances<T>::side_of(const GatheredRows<T>& rows) const {
  return {job_.x.panels ? rows.panels.data() : nullptr,
          rows.squared_norms.data(),
          rows.given.data(),
          x_.cols,
          job_.x.scale ? rows.scale.data() : nullptr,
          job_.x.shift ? rows.shift.data() : nullptr,
          rows.bits.data()};
}

template <class T>
void PairwiseDistances<T>::gathered_tile(const GatheredRows<T>& x, std::int64_t j0, std::int64_t j1, double* scratch, T* out,
                                         std::int64_t ld, TileStats& stats, const Control& control) const {
  TileJob<T> job = job_;
  job.x = side_of(x);
  kernel_->tile(job, 0, x.rows, j0, j1, false, scratch, out, ld, &stats, StopSignal{&asked_to_stop, &control});
}

template <class T>
void PairwiseDistances<T>::gathered_tile(const GatheredRows<T>& x, const GatheredRows<T>& y, double* scratch, T* out, std::int64_t ld,
                                         TileStats& stats, const Control& control) const {
  TileJob<T> job = job_;
  job.x = side_of(x);
  job.y = side_of(y);
  kernel_->tile(job, 0, x.rows, 0, y.rows, false, scratch, out, ld, &stats, StopSignal{&asked_to_stop, &control});
}

template <class T>
std::vector<T> PairwiseDistances<T>::lower_bounds(const std::vector<std::int32_t>& group, std::int64_t groups, int threads,
                                                  const Control& control) const {
  if (!needs_norms_) return std::vector<T>(static_cast<std::size_t>(groups * groups), T(0));
  return bounds_between_groups(x_, job_.x.scale, job_.x.shift, rounding_case(), group, groups, threads, control);
}

template <class T>
RoundingCase PairwiseDistances<T>::rounding_case() const {
  return {sizeof(T) == sizeof(float), job_.metric, unit_rows_, job_.cols, job_.chain, job_.recompute};
}

template <class T>
double PairwiseDistances<T>::rounding(const TileStats& stats, double largest) const {
  return rounding_bound(rounding_case(), stats, largest);
}

template class PairwiseDistances<float>;
template class PairwiseDistances<double>;

}  // namespace topo_interp
