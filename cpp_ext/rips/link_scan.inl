// Included once per instruction set, inside a namespace of its own that defines Block: 8 words, with load, store, any, &, | and
// without (the bits that the other does not have). Nothing here may call an inline function of the library that is not sure to be
// inlined: the linker could then keep the copy with wide registers for everybody.

// out = a & b, a & ~b, a & b & ~c; is it nonzero.
inline bool store_and(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const Block value = Block::load(a) & Block::load(b);
  value.store(out);
  return value.any();
}
inline bool store_without(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b) {
  const Block value = Block::load(a).without(Block::load(b));
  value.store(out);
  return value.any();
}
inline bool outside(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c) {
  const Block value = (Block::load(a) & Block::load(b)).without(Block::load(c));
  value.store(out);
  return value.any();
}
// Is a & b (& c & d) anywhere nonzero.
inline bool meet(const std::uint64_t* a, const std::uint64_t* b) { return (Block::load(a) & Block::load(b)).any(); }
inline bool meet4(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* c, const std::uint64_t* d) {
  return (Block::load(a) & Block::load(b) & Block::load(c) & Block::load(d)).any();
}

template <class Format>
class TileScan {
 public:
  TileScan(const ScanTask<Format>& task, ScanFound& found)
      : task_(task),
        guides_(*task.guides),
        found_(found),
        block_(task.shape.block),
        stride_(task.shape.stride),
        lune_(task.scratch),
        reached_(task.scratch + task.shape.stride),
        rest_(task.scratch + 2 * task.shape.stride),
        short_rows_(short_rows(task.shape)) {}

  void run() {
    for (std::uint64_t k = 0; k < task_.count; ++k) {
      if (k + ahead < task_.count) fetch(task_.edges[k + ahead]);
      scan(task_.edges[k]);
    }
    found_.counts.cones += counts_.cones;
    found_.counts.attached += counts_.attached;
    found_.counts.exact += counts_.exact;
    found_.counts.rows += counts_.rows;
    found_.counts.beyond_middle += counts_.beyond_middle;
    found_.counts.beyond_central += counts_.beyond_central;
  }

 private:
  using Word = std::uint64_t;
  static constexpr std::uint64_t lanes = 8;

  struct Edge {
    Vertex i, j;  // vertices
    Vertex a, b;  // their labels
    std::uint64_t position;
    typename Format::Packed packed;
    float length;
    const Vertex* middles;
  };

  const Word* sure(std::uint64_t label) const { return task_.sure.bits + label * stride_; }
  const Word* maybe(std::uint64_t label) const { return task_.maybe.bits + label * stride_; }
  static bool has(const Word* bits, std::uint64_t label) { return (bits[label / 64] >> (label % 64)) & 1; }
  static void clear(Word* bits, std::uint64_t label) { bits[label / 64] &= ~(Word{1} << (label % 64)); }
  static void put(Word* bits, std::uint64_t label) { bits[label / 64] |= Word{1} << (label % 64); }

  // Calls body(first word of 8, bit of its block) over blocks; stops when it returns true.
  template <class Body>
  bool any_block(Word blocks, Body&& body) const {
    for (; blocks != 0; blocks &= blocks - 1) {
      const int bit = std::countr_zero(blocks);
      const std::uint64_t at = static_cast<std::uint64_t>(bit) * block_;
      for (std::uint64_t k = 0; k < block_; k += lanes) {
        if (body(at + k, bit)) return true;
      }
    }
    return false;
  }
  // Calls body(label) over the bits of 8 words; stops when it returns true.
  template <class Body>
  static bool any_bit(const Word* words, std::uint64_t first, Body&& body) {
    for (std::uint64_t k = 0; k < lanes; ++k) {
      for (Word bits = words[k]; bits != 0; bits &= bits - 1) {
        if (body((first + k) * 64 + static_cast<std::uint64_t>(std::countr_zero(bits)))) return true;
      }
    }
    return false;
  }
  Vertex first_of(const Word* bits, Word held) const {
    std::uint64_t at = static_cast<std::uint64_t>(std::countr_zero(held)) * block_;
    while (bits[at] == 0) ++at;
    return static_cast<Vertex>(at * 64 + static_cast<std::uint64_t>(std::countr_zero(bits[at])));
  }

  void record(const Edge& e, typename Format::Witness mark) { task_.witness[task_.matrix.row(e.i) + e.j] = mark; }
  void record_label(const Edge& e, Vertex label) {
    record(e, static_cast<typename Format::Witness>(guides_.vertex[label]));
  }

  // The rows of an edge and the place of its witness lie beyond the first cache, in no order: the machine is told some edges ahead.
  static constexpr std::uint64_t ahead = 8;
  void fetch(const BatchEdge<Format>& item) const {
    __builtin_prefetch(task_.witness + task_.matrix.row(first_vertex<Format>(item.edge)) + second_vertex<Format>(item.edge), 1);
    const Word* const a = maybe(guides_.label[first_vertex<Format>(item.edge)]);
    const Word* const b = maybe(guides_.label[second_vertex<Format>(item.edge)]);
    const std::uint64_t words = stride_ < 64 ? stride_ : 64;
    for (std::uint64_t k = 0; k < words; k += lanes) {
      __builtin_prefetch(a + k);
      __builtin_prefetch(b + k);
    }
  }

  void scan(const BatchEdge<Format>& item) {
    Edge e;
    e.packed = item.edge;
    e.i = first_vertex<Format>(item.edge);
    e.j = second_vertex<Format>(item.edge);
    e.a = guides_.label[e.i];
    e.b = guides_.label[e.j];
    e.position = task_.start + item.offset;
    const Word blocks = task_.maybe.held[e.a] & task_.maybe.held[e.b];
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
      any_block(task_.sure.held[e.a] & task_.sure.held[e.b], [&](std::uint64_t at, int) {
        if (!store_and(lune_, sure(e.a) + at, sure(e.b) + at)) return false;
        return any_bit(lune_, at, [&](std::uint64_t label) {
          guess = static_cast<Vertex>(label);
          return true;
        });
      });
    }
    if (guess != none_label && connected(e, guess, blocks)) return record_label(e, guess);
    exact(e, guess, blocks);
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
    const Word blocks = task_.sure.held[e.a] & task_.sure.held[e.b] & task_.sure.held[k] & task_.sure.held[u];
    // Vertices near k are the likeliest.
    const Word own = Word{1} << (k / 64 / block_);
    return any_block(blocks & own, hit) || any_block(blocks & ~own, hit);
  }

  // The link of e as the order has it. `main` is in the lune, or none_label.
  void exact(Edge& e, Vertex main, Word blocks) {
    ++counts_.exact;
    e.length = task_.matrix.lengths[task_.matrix.row(e.i) + e.j];
    const Word* const ma = maybe(e.a);
    const Word* const mb = maybe(e.b);
    const Word* const sa = sure(e.a);
    const Word* const sb = sure(e.b);
    Word held = 0;
    alignas(64) Word unsure[lanes];
    any_block(blocks, [&](std::uint64_t at, int bit) {
      if (!store_and(lune_ + at, ma + at, mb + at)) return false;
      store_and(unsure, sa + at, sb + at);
      if (store_without(unsure, lune_ + at, unsure)) {
        any_bit(unsure, at, [&](std::uint64_t u) {
          if (!(before(e, e.a, u) && before(e, e.b, u))) clear(lune_, u);
          return false;
        });
      }
      held |= Word{store_and(lune_ + at, lune_ + at, lune_ + at)} << bit;
      return false;
    });
    if (held == 0) {
      record(e, birth_mark<Format>);  // or a merge: decided when all are known
      found_.add_empty(e.position);
      return;
    }
    if (main == none_label) main = first_of(lune_, held);
    record_label(e, main);
    for (Word left = grow(e, main, held); left != 0;) {
      any_block(left, [&](std::uint64_t at, int) {
        store_and(lune_ + at, rest_ + at, rest_ + at);
        return false;
      });
      const Vertex other = first_of(lune_, left);
      found_.add_square(e.position, guides_.vertex[main], guides_.vertex[other]);
      left = grow(e, other, left);
    }
  }

  // Whether the edge between two labels is before e.
  bool before(const Edge& e, std::uint64_t a, std::uint64_t b) const {
    Vertex u = guides_.vertex[a], v = guides_.vertex[b];
    if (u == v) return false;
    if (u > v) {
      const Vertex swap = u;
      u = v;
      v = swap;
    }
    const float length = task_.matrix.lengths[task_.matrix.row(u) + v];
    return length < e.length || (length == e.length && pack_edge<Format>(u, v) < e.packed);
  }

  // out = the vertices of `set` next to u before e; whether there are any.
  bool next_to(const Edge& e, std::uint64_t u, const Word* set, Word* out, std::uint64_t at) const {
    alignas(64) Word unsure[lanes];
    bool any = store_and(out, set + at, sure(u) + at);
    store_without(unsure, set + at, out);
    if (store_and(unsure, unsure, maybe(u) + at)) {
      any_bit(unsure, at, [&](std::uint64_t v) {
        if (before(e, u, v)) {
          put(out - at, v);
          any = true;
        }
        return false;
      });
    }
    return any;
  }

  // Takes the component of `start` out of the lune (nonzero in `held` blocks); what is left stands in rest_, and the
  // blocks where it is nonzero are returned.
  Word grow(const Edge& e, Vertex start, Word held) {
    clear(lune_, start);
    Word reached_blocks = 0, rest_blocks = 0;
    any_block(held, [&](std::uint64_t at, int bit) {
      reached_blocks |= Word{next_to(e, start, lune_, reached_ + at, at)} << bit;
      rest_blocks |= Word{store_without(rest_ + at, lune_ + at, reached_ + at)} << bit;
      return false;
    });
    alignas(64) Word add[lanes];
    for (bool changed = true; changed && rest_blocks != 0;) {
      changed = false;
      for (Word todo = rest_blocks; todo != 0; todo &= todo - 1) {
        const std::uint64_t first = static_cast<std::uint64_t>(std::countr_zero(todo)) * block_;
        for (std::uint64_t word = first; word < first + block_; ++word) {
          for (Word bits = rest_[word]; bits != 0;) {
            const std::uint64_t u = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
            ++counts_.rows;
            const bool hit =
                any_block(reached_blocks & task_.sure.held[u],
                          [&](std::uint64_t at, int) { return meet(reached_ + at, sure(u) + at); }) ||
                any_block(reached_blocks, [&](std::uint64_t at, int) { return next_to(e, u, reached_, add, at); });
            if (!hit) {
              bits &= bits - 1;
              continue;
            }
            changed = true;
            clear(rest_, u);
            put(reached_, u);
            reached_blocks |= Word{1} << (u / 64 / block_);
            Word left = 0;
            any_block(rest_blocks, [&](std::uint64_t at, int bit) {
              if (next_to(e, u, rest_, add, at)) {
                for (std::uint64_t k = 0; k < lanes; ++k) reached_[at + k] |= add[k];
                reached_blocks |= Word{1} << bit;
              }
              left |= Word{store_without(rest_ + at, rest_ + at, add)} << bit;
              return false;
            });
            rest_blocks = left;
            bits &= rest_[word];
          }
        }
      }
    }
    return rest_blocks;
  }

  static constexpr Vertex none_label = 0xffffffffu;
  static constexpr std::uint64_t sample = 61;

  const ScanTask<Format>& task_;
  const Guides& guides_;
  ScanFound& found_;
  const std::uint64_t block_, stride_;
  Word* const lune_;
  Word* const reached_;
  Word* const rest_;
  const ShortRows short_rows_;
  ScanCounts counts_;
};

void scan_tile(const ScanTask<Narrow>& task, ScanFound& found) { TileScan<Narrow>(task, found).run(); }
void scan_tile(const ScanTask<Wide>& task, ScanFound& found) { TileScan<Wide>(task, found).run(); }
