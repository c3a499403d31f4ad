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
        task_(task) {}

  void run() {
    if (block_ == lanes) {
      run_groups();
    } else {
      for (std::uint64_t k = 0; k < task_.count; ++k) {
        fetch_place(k + ahead);
        Edge e = edge_of(task_.edges[k]);
        scan(e, guess(e));
      }
    }
    found_.counts.cones += counts_.cones;
    found_.counts.attached += counts_.attached;
    found_.counts.exact += counts_.exact;
    found_.counts.rows += counts_.rows;
    found_.counts.beyond_middle += counts_.beyond_middle;
    found_.counts.beyond_central += counts_.beyond_central;
  }

 private:
  Edge edge_of(const BatchEdge<Format>& item) const {
    Edge e;
    e.i = first_vertex<Format>(item.edge);
    e.j = second_vertex<Format>(item.edge);
    e.a = guides_.label[e.i];
    e.b = guides_.label[e.j];
    e.position = task_.start + item.offset;
    e.middles = guides_.middle.data() + (std::uint64_t{guides_.region[e.a]} * guides_.regions + guides_.region[e.b]) * Guides::middles;
    return e;
  }
  Word blocks_of(const Edge& e) const { return maybe_.held[e.a] & maybe_.held[e.b]; }

  // Guesses of a vertex that is next to all others of the lune; it surely is in the lune, or none_label.
  Vertex middle(const Edge& e) const {
    const Vertex label = e.middles[0];
    return has(sure(e.a), label) & has(sure(e.b), label) ? label : none_label;
  }
  Vertex central(const Edge& e) const {
    const Word centers = sure(e.a)[0] & sure(e.b)[0];
    return centers != 0 ? static_cast<Vertex>(std::countr_zero(centers)) : none_label;
  }
  [[gnu::always_inline]] Vertex guess(const Edge& e) {
    if (e.position % sample == 0) compare_guesses(e);
    const Vertex one = middle(e), other = central(e);
    const Vertex first = task_.central_first ? other : one, second = task_.central_first ? one : other;
    return first != none_label ? first : second;
  }
  [[gnu::noinline]] void compare_guesses(const Edge& e) {
    const Vertex one = middle(e), other = central(e);
    if (one == none_label || other == none_label) return;
    counts_.beyond_middle += beyond(e, one);
    counts_.beyond_central += beyond(e, other);
  }
  // How many vertices that may be in the lune are not surely next to k.
  std::uint64_t beyond(const Edge& e, Vertex k) const {
    std::uint64_t count = 0;
    alignas(64) Word left[lanes];
    any_block(blocks_of(e) & task_.open[k], [&](std::uint64_t at, int) {
      if (outside(left, maybe(e.a) + at, maybe(e.b) + at, sure(k) + at)) {
        for (const Word word : left) count += static_cast<std::uint64_t>(std::popcount(word));
      }
      return false;
    });
    return count;
  }

  void scan(Edge& e, Vertex k) {
    if (k == none_label) {
      any_block(sure_.held[e.a] & sure_.held[e.b], [&](std::uint64_t at, int) {
        if (!store_and(lune_, sure(e.a) + at, sure(e.b) + at)) return false;
        return any_bit(lune_, at, [&](std::uint64_t label) {
          k = static_cast<Vertex>(label);
          return true;
        });
      });
    }
    if (k != none_label && connected(e, k)) return record_label(e, k);
    const Vertex main = exact(e, k, blocks_of(e));
    if (main != none_label) return record_label(e, main);
    record(e, birth_mark<Format>);  // or a merge: decided when all are known
  }

  // Asks for the place of an edge's witness, far from those of the edges before it. Not inlined, GCC takes it for a function without
  // effect.
  [[gnu::always_inline]] void fetch_place(std::uint64_t k) const {
    if (k >= task_.count) return;
    const auto edge = task_.edges[k].edge;
    __builtin_prefetch(task_.witness + task_.matrix.row(first_vertex<Format>(edge)) + second_vertex<Format>(edge), 1);
  }
  void record(const Edge& e, typename Format::Witness mark) { task_.witness[task_.matrix.row(e.i) + e.j] = mark; }
  void record_label(const Edge& e, Vertex label) {
    record(e, static_cast<typename Format::Witness>(guides_.vertex[label]));
  }

  // Whether every vertex that may be in the lune of e is joined to k within it, whatever the order within the batch; k is
  // surely in the lune.
  bool connected(const Edge& e, Vertex k) {
    Word left = 0;
    any_block(blocks_of(e) & task_.open[k], [&](std::uint64_t at, int bit) {
      left |= Word{outside(rest_ + at, maybe(e.a) + at, maybe(e.b) + at, sure(k) + at)} << bit;
      return false;
    });
    if (left == 0) {
      ++counts_.cones;
      return true;
    }
    for (const bool by_center : {task_.central_first, !task_.central_first}) {
      for (const Vertex label : by_center ? central_ones(e, k) : middle_ones(e, k)) {
        if (label == k) continue;
        Word still = 0;
        any_block(left, [&](std::uint64_t at, int bit) {
          still |= Word{store_without(rest_ + at, rest_ + at, sure(label) + at)} << bit;
          return false;
        });
        left = still;
        if (left == 0) {
          ++counts_.attached;
          return true;
        }
      }
    }
    return all_attached(e, k, left);
  }

  // Vertices that surely are in the lune and next to k take their neighbors along: the likely ones, whose rows are in the cache
  // anyway. Where there are fewer, k stands in their place.
  using Companions = std::array<Vertex, 4>;
  Companions central_ones(const Edge& e, Vertex k) const {
    Companions to;
    Word centers = sure(e.a)[0] & sure(e.b)[0] & sure(k)[0];
    for (Vertex& label : to) {
      label = centers != 0 ? static_cast<Vertex>(std::countr_zero(centers)) : k;
      centers &= centers - 1;
    }
    return to;
  }
  Companions middle_ones(const Edge& e, Vertex k) const {
    static_assert(std::tuple_size_v<Companions> == Guides::middles);
    Companions to;
    for (std::uint64_t m = 0; m < Guides::middles; ++m) {
      const Vertex label = e.middles[m];
      to[m] = has(sure(e.a), label) & has(sure(e.b), label) & has(sure(k), label) ? label : k;
    }
    return to;
  }

  // Whether each vertex in rest_, nonzero in these blocks, is next to something that is in the lune and next to k.
  bool all_attached(const Edge& e, Vertex k, Word left) {
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

  // The same for rows whose blocks are as short as can be: a group of edges goes through one test, and only what it leaves over
  // through the next. Within a test no branch hangs on the data, so that the machine has several edges in work at once.
  void run_groups() {
    constexpr std::uint64_t group = 8;
    Edge edge[group];
    Vertex guessed[group];
    std::uint8_t which[group];                            // edges of the group that are left
    alignas(64) Word rests[group * most_blocks * lanes];  // of those: what may be in the lune and nothing so far is surely next to
    for (std::uint64_t first = 0; first < task_.count; first += group) {
      const std::uint64_t size = std::min(group, task_.count - first);
      std::uint64_t count = 0, unguessed = 0;
      for (std::uint64_t at = 0; at < size; ++at) {
        fetch_place(first + at + ahead);
        Edge& e = edge[at];
        e = edge_of(task_.edges[first + at]);
        const Vertex k = guessed[at] = guess(e);
        if (k == none_label) {
          scan(e, k);
          ++unguessed;
          continue;
        }
        record_label(e, k);
        const Word* const ma = maybe(e.a);
        const Word* const mb = maybe(e.b);
        const Word* const sk = sure(k);
        which[count] = static_cast<std::uint8_t>(at);
        count += store_row(rests + count * stride_, [&](std::uint64_t word) {
          return (Block::load(ma + word) & Block::load(mb + word)).without(Block::load(sk + word));
        });
      }
      counts_.cones += size - unguessed - count;
      const std::uint64_t beyond_cones = count;
      for (const bool by_center : {task_.central_first, !task_.central_first}) {
        const std::uint64_t before = std::exchange(count, 0);
        for (std::uint64_t at = 0; at < before; ++at) {
          const Edge& e = edge[which[at]];
          const Vertex k = guessed[which[at]];
          const Companions more = by_center ? central_ones(e, k) : middle_ones(e, k);
          const Word* const rows[] = {sure(more[0]), sure(more[1]), sure(more[2]), sure(more[3])};
          const Word* const rest = rests + at * stride_;
          which[count] = which[at];
          count += store_row(rests + count * stride_, [&](std::uint64_t word) {
            return Block::load(rest + word).without(Block::load(rows[0] + word) | Block::load(rows[1] + word) |
                                                    Block::load(rows[2] + word) | Block::load(rows[3] + word));
          });
        }
      }
      counts_.attached += beyond_cones - count;
      for (std::uint64_t at = 0; at < count; ++at) {
        Edge& e = edge[which[at]];
        const Vertex k = guessed[which[at]];
        Word held = 0;
        const Word* const rest = rests + at * stride_;
        for (std::uint64_t word = 0; word < stride_; word += lanes) {
          held |= Word{store_and(rest_ + word, rest + word, rest + word)} << (word / lanes);
        }
        if (!all_attached(e, k, held)) exact(e, k, blocks_of(e));
      }
    }
  }
  // out = value(first word) of every block of a row; whether any is nonzero.
  template <class Value>
  [[gnu::always_inline]] bool store_row(Word* out, Value&& value) const {
    Block any = value(0);
    any.store(out);
    for (std::uint64_t word = lanes; word < stride_; word += lanes) {
      const Block one = value(word);
      one.store(out + word);
      any = any | one;
    }
    return any.any();
  }

  static constexpr std::uint64_t sample = 61;
  static constexpr std::uint64_t ahead = 16;
  static constexpr std::uint64_t most_blocks = 64;  // in a row: as many as `held` has bits

  const ScanTask<Format>& task_;
};

void scan_tile(const ScanTask<Narrow>& task, ScanFound& found) { TileScan<Narrow>(task, found).run(); }
void scan_tile(const ScanTask<Wide>& task, ScanFound& found) { TileScan<Wide>(task, found).run(); }
