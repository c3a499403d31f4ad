// Part of link_scan.inl: the link of one edge as the order has it, where no proof that needs no order was found.

class ExactLink : protected LinkRows {
 protected:
  struct Edge {
    Vertex i, j;  // vertices
    Vertex a, b;  // their labels
    std::uint64_t position;
    float length;
    const Vertex* middles;
  };

  ExactLink(const LinkRows& rows, const Condensed& matrix, const Guides& guides, ScanFound& found)
      : LinkRows(rows), matrix_(matrix), guides_(guides), found_(found) {}

  // The link of e as the order has it: a vertex of it, or none_label. `main` is in the lune, or none_label. Further components
  // go to `found_`.
  Vertex exact(Edge& e, Vertex main, Word blocks) {
    ++counts_.exact;
    e.length = matrix_.lengths[matrix_.row(e.i) + e.j];
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
      found_.add_empty(e.position);
      return none_label;
    }
    if (main == none_label) main = first_of(lune_, held);
    for (Word left = grow(e, main, held); left != 0;) {
      any_block(left, [&](std::uint64_t at, int) {
        store_and(lune_ + at, rest_ + at, rest_ + at);
        return false;
      });
      const Vertex other = first_of(lune_, left);
      found_.add_square(e.position, guides_.vertex[main], guides_.vertex[other]);
      left = grow(e, other, left);
    }
    return main;
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
    const float length = matrix_.lengths[matrix_.row(u) + v];
    return length < e.length || (length == e.length && (u < e.i || (u == e.i && v < e.j)));
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
                any_block(reached_blocks & sure_.held[u],
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

  const Condensed matrix_;
  const Guides& guides_;
  ScanFound& found_;
  ScanCounts counts_;
};
