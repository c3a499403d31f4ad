// Part of link_scan.inl: bits of a row, 8 words at a time, and the two rows of bits that stand for every vertex.

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

class LinkRows {
 public:
  using Word = std::uint64_t;

  LinkRows(const BitShape& shape, const BitRows& sure, const BitRows& maybe, Word* scratch)
      : sure_(sure),
        maybe_(maybe),
        block_(shape.block),
        stride_(shape.stride),
        lune_(scratch),
        reached_(scratch + shape.stride),
        rest_(scratch + 2 * shape.stride) {}

 protected:
  static constexpr std::uint64_t lanes = 8;

  const Word* sure(std::uint64_t label) const { return sure_.bits + label * stride_; }
  const Word* maybe(std::uint64_t label) const { return maybe_.bits + label * stride_; }
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

  static constexpr Vertex none_label = 0xffffffffu;

  const BitRows sure_, maybe_;
  const std::uint64_t block_, stride_;
  Word* const lune_;
  Word* const reached_;
  Word* const rest_;
};
