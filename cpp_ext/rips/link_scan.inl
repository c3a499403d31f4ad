// Included once per instruction set, inside a namespace of its own that defines Block: 8 words, with load, store, any, &, | and
// without (the bits that the other does not have). Nothing here may call an inline function of the library that is not sure to be
// inlined: the linker could then keep the copy with wide registers for everybody.
#include "rips/link_rows.inl"
#include "rips/link_exact.inl"

template <class Format>
class TileScan : ExactLink {
 public:
  TileScan(const ScanTask<Format>& task, ScanFound& found)
      : ExactLink(LinkRows(task.shape, task.sure, task.maybe, task.scratch), task.matrix, *task.guides, found),
        task_(task),
        short_rows_(short_rows(task.shape)) {}

  void run() {
    for (std::uint64_t k = 0; k < task_.count; ++k) scan(task_.edges[k]);
    found_.counts.cones += counts_.cones;
    found_.counts.attached += counts_.attached;
    found_.counts.exact += counts_.exact;
    found_.counts.rows += counts_.rows;
    found_.counts.beyond_middle += counts_.beyond_middle;
    found_.counts.beyond_central += counts_.beyond_central;
  }

 private:
  void scan(const BatchEdge<Format>& item) {
    Edge e;
    e.i = first_vertex<Format>(item.edge);
    e.j = second_vertex<Format>(item.edge);
    e.a = guides_.label[e.i];
    e.b = guides_.label[e.j];
    e.position = task_.start + item.offset;
    const Word blocks = maybe_.held[e.a] & maybe_.held[e.b];
    e.middles = guides_.middle.data() + (std::uint64_t{guides_.region[e.a]} * guides_.regions + guides_.region[e.b]) * Guides::middles;
    Vertex middle = e.middles[0];
    if (!(has(sure(e.a), middle) && has(sure(e.b), middle))) middle = none_label;
    const Word centers = sure(e.a)[0] & sure(e.b)[0];
    Vertex central = centers != 0 ? static_cast<Vertex>(std::countr_zero(centers)) : none_label;
    if (e.position % sample == 0 && middle != none_label && central != none_label) {
      counts_.beyond_middle += beyond(e, middle, blocks);
      counts_.beyond_central += beyond(e, central, blocks);
    }
    Vertex guess = task_.central_first ? central : middle;
    if (guess == none_label) guess = task_.central_first ? middle : central;
    if (guess == none_label) {
      any_block(sure_.held[e.a] & sure_.held[e.b], [&](std::uint64_t at, int) {
        if (!store_and(lune_, sure(e.a) + at, sure(e.b) + at)) return false;
        return any_bit(lune_, at, [&](std::uint64_t label) {
          guess = static_cast<Vertex>(label);
          return true;
        });
      });
    }
    if (guess != none_label && connected(e, guess, blocks)) return record_label(e, guess);
    const Vertex main = exact(e, guess, blocks);
    if (main != none_label) return record_label(e, main);
    record(e, birth_mark<Format>);  // or a merge: decided when all are known
  }

  void record(const Edge& e, typename Format::Witness mark) { task_.witness[task_.matrix.row(e.i) + e.j] = mark; }
  void record_label(const Edge& e, Vertex label) {
    record(e, static_cast<typename Format::Witness>(guides_.vertex[label]));
  }

  // How many vertices that may be in the lune are not surely next to k.
  std::uint64_t beyond(const Edge& e, Vertex k, Word blocks) const {
    std::uint64_t count = 0;
    alignas(64) Word left[lanes];
    any_block(blocks & task_.open[k], [&](std::uint64_t at, int) {
      if (outside(left, maybe(e.a) + at, maybe(e.b) + at, sure(k) + at)) {
        for (const Word word : left) count += static_cast<std::uint64_t>(std::popcount(word));
      }
      return false;
    });
    return count;
  }

  // Whether every vertex that may be in the lune of e is joined to k within it, whatever the order within the batch; k is
  // surely in the lune.
  bool connected(const Edge& e, Vertex k, Word blocks) {
    Word left = blocks & task_.open[k];
    if (left == 0) {
      ++counts_.cones;
      return true;
    }
    left = short_rows_ ? (this->*short_rows_)(e, k) : beyond_reached(e, k, left);
    if (left == 0) return true;
    // The rest must each be next to something that is next to k.
    const Word* const sa = sure(e.a);
    const Word* const sb = sure(e.b);
    for (; left != 0; left &= left - 1) {
      const std::uint64_t first = static_cast<std::uint64_t>(std::countr_zero(left)) * block_;
      for (std::uint64_t word = first; word < first + block_; ++word) {
        while (rest_[word] != 0) {
          const std::uint64_t u = word * 64 + static_cast<std::uint64_t>(std::countr_zero(rest_[word]));
          if (!attached(e, k, static_cast<Vertex>(u))) return false;
          clear(rest_, u);
          if (has(sa, u) && has(sb, u)) {
            const Word* const su = sure(u);
            any_block(left, [&](std::uint64_t at, int) {
              store_without(rest_ + at, rest_ + at, su + at);
              return false;
            });
          }
        }
      }
    }
    ++counts_.attached;
    return true;
  }

  // Vertices that surely are in the lune and next to k take their neighbors along: the likely ones, whose rows are in the cache
  // anyway. There are at most 8.
  struct Companions {
    Vertex label[4 + Guides::middles];
    int count = 0;
  };
  void add_central(const Edge& e, Vertex k, Companions& to) const {
    Word centers = sure(e.a)[0] & sure(e.b)[0] & sure(k)[0];
    for (int more = 0; more < 4 && centers != 0; ++more, centers &= centers - 1) {
      const auto label = static_cast<Vertex>(std::countr_zero(centers));
      to.label[to.count] = label;
      to.count += label != k;
    }
  }
  void add_middles(const Edge& e, Vertex k, Companions& to) const {
    for (std::uint64_t m = 0; m < Guides::middles; ++m) {
      const Vertex label = e.middles[m];
      to.label[to.count] = label;
      to.count += (label != k) & has(sure(e.a), label) & has(sure(e.b), label) & has(sure(k), label);
    }
  }
  Companions companions(const Edge& e, Vertex k) const {
    Companions all;
    if (task_.central_first) add_central(e, k, all);
    add_middles(e, k, all);
    if (!task_.central_first) add_central(e, k, all);
    return all;
  }

  // What may be in the lune and neither k nor its companions are surely next to, into rest_; returns its nonzero blocks.
  Word beyond_reached(const Edge& e, Vertex k, Word blocks) {
    Word left = 0;
    any_block(blocks, [&](std::uint64_t at, int bit) {
      left |= Word{outside(rest_ + at, maybe(e.a) + at, maybe(e.b) + at, sure(k) + at)} << bit;
      return false;
    });
    if (left == 0) {
      ++counts_.cones;
      return 0;
    }
    const Companions all = companions(e, k);
    for (int c = 0; c < all.count && left != 0; ++c) {
      const Word* const row = sure(all.label[c]);
      Word still = 0;
      any_block(left, [&](std::uint64_t at, int bit) {
        still |= Word{store_without(rest_ + at, rest_ + at, row + at)} << bit;
        return false;
      });
      left = still;
    }
    counts_.attached += left == 0;
    return left;
  }
  // The same for rows of a few blocks, which stay in registers: no loop whose length the machine has to guess.
  template <int blocks>
  Word beyond_reached_short(const Edge& e, Vertex k) {
    const Word* const ma = maybe(e.a);
    const Word* const mb = maybe(e.b);
    Block rest[blocks];
    const auto take = [&](const Word* const row) {
      rest[0] = rest[0].without(Block::load(row));
      Block any = rest[0];
#pragma GCC unroll 8
      for (int b = 1; b < blocks; ++b) {
        rest[b] = rest[b].without(Block::load(row + 8 * b));
        any = any | rest[b];
      }
      return any.any();
    };
#pragma GCC unroll 8
    for (int b = 0; b < blocks; ++b) rest[b] = Block::load(ma + 8 * b) & Block::load(mb + 8 * b);
    if (!take(sure(k))) {
      ++counts_.cones;
      return 0;
    }
    const Companions all = companions(e, k);
    for (int c = 0; c < all.count; ++c)
      if (!take(sure(all.label[c]))) {
        ++counts_.attached;
        return 0;
      }
    Word left = 0;
#pragma GCC unroll 8
    for (int b = 0; b < blocks; ++b) {
      rest[b].store(rest_ + 8 * b);
      left |= Word{rest[b].any()} << b;
    }
    return left;
  }
  using ShortRows = Word (TileScan::*)(const Edge&, Vertex);
  static ShortRows short_rows(const BitShape& shape) {
    if (shape.block != 8) return nullptr;
    switch (shape.stride / 8) {
      case 1: return &TileScan::beyond_reached_short<1>;
      case 2: return &TileScan::beyond_reached_short<2>;
      case 3: return &TileScan::beyond_reached_short<3>;
      case 4: return &TileScan::beyond_reached_short<4>;
      case 5: return &TileScan::beyond_reached_short<5>;
      case 6: return &TileScan::beyond_reached_short<6>;
      case 7: return &TileScan::beyond_reached_short<7>;
      case 8: return &TileScan::beyond_reached_short<8>;
      default: return nullptr;
    }
  }

  bool attached(const Edge& e, Vertex k, Vertex u) {
    ++counts_.rows;
    const Word* const sa = sure(e.a);
    const Word* const sb = sure(e.b);
    const Word* const sk = sure(k);
    const Word* const su = sure(u);
    const auto hit = [&](std::uint64_t at, int) { return meet4(sa + at, sb + at, sk + at, su + at); };
    const Word blocks = sure_.held[e.a] & sure_.held[e.b] & sure_.held[k] & sure_.held[u];
    // Vertices near k are the likeliest.
    const Word own = Word{1} << (k / 64 / block_);
    return any_block(blocks & own, hit) || any_block(blocks & ~own, hit);
  }

  static constexpr std::uint64_t sample = 61;

  const ScanTask<Format>& task_;
  const ShortRows short_rows_;
};

void scan_tile(const ScanTask<Narrow>& task, ScanFound& found) { TileScan<Narrow>(task, found).run(); }
void scan_tile(const ScanTask<Wide>& task, ScanFound& found) { TileScan<Wide>(task, found).run(); }
