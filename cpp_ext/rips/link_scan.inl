// Included once per instruction set, inside a namespace of its own that defines the block operations on 8 words:
//   outside(a, b, c): is a & b & ~c anywhere nonzero      meet(a, b): is a & b anywhere nonzero
//   store_and(out, a, b): out = a & b, is it nonzero       store_without(out, a, b): out = a & ~b, is it nonzero

constexpr std::uint64_t lanes = 8;

template <class Format>
class Scan {
 public:
  explicit Scan(const ScanTask<Format>& task) : task_(task), guides_(*task.guides) {
    const std::uint64_t words = (task.n + 63) / 64;
    block_ = lanes;
    while ((words + block_ - 1) / block_ > 64) block_ *= 2;  // so that one word says which blocks of a row are nonzero
    stride_ = (words + block_ - 1) / block_ * block_;
    bits_.assign(stride_ * task.n + lanes, 0);
    // Rows start on cache lines.
    base_ = bits_.data();
    while (reinterpret_cast<std::uintptr_t>(base_) % 64 != 0) ++base_;
    nonzero_.assign(task.n, 0);
    lune_.resize(stride_);
    found_.resize(stride_);
    rest_.resize(stride_);
    // Closed neighborhoods: a vertex never stands in its own lunes, since the edge itself has not entered.
    for (std::uint64_t v = 0; v < task.n; ++v) set(v, v);
  }

  ScanCounts run() {
    std::uint64_t done = 0;  // edges whose bits stand
    for (std::uint64_t unit; (unit = (*task_.next)++) * task_.chunk < task_.count;) {
      const std::uint64_t first = unit * task_.chunk, last = std::min(first + task_.chunk, task_.count);
      squares_ = &(*task_.squares)[unit];
      empty_ = &(*task_.empty)[unit];
      for (; done < first; ++done) {
        if (done % 4096 == 0 && task_.control->stopped()) return counts_;
        enter(done);
      }
      for (; done < last; ++done) {
        if (done % 64 == 0 && task_.control->stopped()) return counts_;
        prefetch(done + 12);
        link(done);
        enter(done);
      }
      task_.control->done.fetch_add(static_cast<std::int64_t>(last - first));
    }
    return counts_;
  }

 private:
  using Word = std::uint64_t;

  Word* row(std::uint64_t label) { return base_ + label * stride_; }
  const Word* row(std::uint64_t label) const { return base_ + label * stride_; }
  bool has(const Word* bits, std::uint64_t label) const { return (bits[label / 64] >> (label % 64)) & 1; }
  void set(std::uint64_t label, std::uint64_t other) {
    row(label)[other / 64] |= Word{1} << (other % 64);
    nonzero_[label] |= Word{1} << (other / 64 / block_);
  }
  void enter(std::uint64_t position) {
    const auto edge = task_.edges[position];
    const Vertex a = guides_.label[first_vertex<Format>(edge)], b = guides_.label[second_vertex<Format>(edge)];
    set(a, b);
    set(b, a);
  }
  void prefetch(std::uint64_t position) const {
    if (position >= task_.count) return;
    const auto edge = task_.edges[position];
    const Vertex a = guides_.label[first_vertex<Format>(edge)], b = guides_.label[second_vertex<Format>(edge)];
    const Word* const rows[2] = {row(a), row(b)};
    Word blocks = nonzero_[a] & nonzero_[b];
    for (int k = 0; blocks != 0 && k < 24; ++k, blocks &= blocks - 1) {
      const std::uint64_t at = static_cast<std::uint64_t>(std::countr_zero(blocks)) * block_;
      __builtin_prefetch(rows[0] + at);
      __builtin_prefetch(rows[1] + at);
    }
  }

  template <class Body>
  void for_blocks(Word blocks, Body&& body) const {
    for (; blocks != 0; blocks &= blocks - 1) {
      const int bit = std::countr_zero(blocks);
      const std::uint64_t at = static_cast<std::uint64_t>(bit) * block_;
      for (std::uint64_t k = 0; k < block_; k += lanes) body(at + k, bit);
    }
  }
  template <class Test>
  bool any_block(Word blocks, Test&& test) const {
    for (; blocks != 0; blocks &= blocks - 1) {
      const std::uint64_t at = static_cast<std::uint64_t>(std::countr_zero(blocks)) * block_;
      for (std::uint64_t k = 0; k < block_; k += lanes) {
        if (test(at + k)) return true;
      }
    }
    return false;
  }

  void record(Vertex i, Vertex j, typename Format::Witness mark) { task_.witness[task_.matrix.row(i) + j] = mark; }

  void link(std::uint64_t position) {
    const auto edge = task_.edges[position];
    const Vertex i = first_vertex<Format>(edge), j = second_vertex<Format>(edge);
    const Vertex a = guides_.label[i], b = guides_.label[j];
    const Word* const ra = row(a);
    const Word* const rb = row(b);
    const Word blocks = nonzero_[a] & nonzero_[b];
    // A vertex of the lune next to all others makes the link a cone; the middle of the two ends mostly does.
    const Vertex middle = guides_.middle[guides_.region[a] * guides_.regions + guides_.region[b]];
    const bool inside = has(ra, middle) && has(rb, middle);
    if (inside) {
      const Word* const rk = row(middle);
      if (!any_block(blocks, [&](std::uint64_t at) { return outside(ra + at, rb + at, rk + at); })) {
        ++counts_.guessed;
        record(i, j, static_cast<typename Format::Witness>(guides_.vertex[middle]));
        return;
      }
    }
    Word held = 0;
    for_blocks(blocks, [&](std::uint64_t at, int bit) {
      held |= Word{store_and(lune_.data() + at, ra + at, rb + at)} << bit;
    });
    if (held == 0) {
      record(i, j, birth_mark<Format>);  // or a merge: decided once all are known
      empty_->push_back(position);
      return;
    }
    ++counts_.grown;
    const Vertex main = inside ? middle : first_of(lune_.data(), held);
    Word left = grow(main, lune_.data(), held);
    record(i, j, static_cast<typename Format::Witness>(guides_.vertex[main]));
    while (left != 0) {  // what is left of the lune stands in rest_
      for_blocks(left, [&](std::uint64_t at, int) { store_and(lune_.data() + at, rest_.data() + at, rest_.data() + at); });
      const Vertex other = first_of(lune_.data(), left);
      squares_->push_back({position, guides_.vertex[main], guides_.vertex[other]});
      left = grow(other, lune_.data(), left);
    }
  }

  Vertex first_of(const Word* bits, Word held) const {
    std::uint64_t at = static_cast<std::uint64_t>(std::countr_zero(held)) * block_;
    while (bits[at] == 0) ++at;
    return static_cast<Vertex>(at * 64 + static_cast<std::uint64_t>(std::countr_zero(bits[at])));
  }

  // Takes the component of `start` out of `lune` (nonzero in `held` blocks); the remainder stands in rest_, and the
  // blocks where it is nonzero are returned.
  Word grow(Vertex start, const Word* lune, Word held) {
    Word* const found = found_.data();
    Word* const rest = rest_.data();
    const Word* const rs = row(start);
    Word found_blocks = 0, rest_blocks = 0;
    for_blocks(held, [&](std::uint64_t at, int bit) {
      found_blocks |= Word{store_and(found + at, lune + at, rs + at)} << bit;
      rest_blocks |= Word{store_without(rest + at, lune + at, rs + at)} << bit;
    });
    for (bool changed = true; changed && rest_blocks != 0;) {
      changed = false;
      for (Word todo = rest_blocks; todo != 0; todo &= todo - 1) {
        const int bit = std::countr_zero(todo);
        const std::uint64_t first = static_cast<std::uint64_t>(bit) * block_;
        for (std::uint64_t word = first; word < first + block_; ++word) {
          for (Word bits = rest[word]; bits != 0;) {
            const std::uint64_t u = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
            const Word* const ru = row(u);
            ++counts_.rows;
            if (any_block(found_blocks & nonzero_[u], [&](std::uint64_t at) { return meet(found + at, ru + at); })) {
              changed = true;
              // u and its neighbors in the rest are found.
              Word now = 0;
              for_blocks(rest_blocks, [&](std::uint64_t at, int block) {
                for (std::uint64_t k = at; k < at + lanes; ++k) {
                  const Word add = rest[k] & ru[k];
                  found[k] |= add;
                }
                now |= Word{store_without(rest + at, rest + at, ru + at)} << block;
              });
              found_blocks |= rest_blocks;
              rest_blocks = now;
              bits &= rest[word];
            } else {
              bits &= bits - 1;
            }
          }
        }
      }
    }
    return rest_blocks;
  }
  const ScanTask<Format>& task_;
  const Guides& guides_;
  std::uint64_t block_ = 0, stride_ = 0;
  std::vector<Word> bits_;
  Word* base_ = nullptr;
  std::vector<Word> nonzero_, lune_, found_, rest_;
  std::vector<Square>* squares_ = nullptr;
  std::vector<std::uint64_t>* empty_ = nullptr;
  ScanCounts counts_;
};

ScanCounts scan(const ScanTask<Narrow>& task) { return Scan<Narrow>(task).run(); }
ScanCounts scan(const ScanTask<Wide>& task) { return Scan<Wide>(task).run(); }
