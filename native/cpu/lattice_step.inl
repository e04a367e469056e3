// One frame of the lattice recursion in extended range.
// Included inside a namespace and a target region.
//
// States come in pairs, lane i = (blank i, label i), i = 0 .. L. A row holds its vectors one after
// another, each as [blank m | blank e | label m | label e], W numbers each. A state that no path
// has reached is zero. There is no label L, nor a lane beyond: alpha may fill them with any
// numbers, since beta, which starts at blank L and never moves up, leaves them zero, and products
// with them as well.
//
//   alpha:  blank'[i] = (blank[i] + label[i-1]) p(blank)
//           label'[i] = (label[i] + (skip[i] ? blank[i] + label[i-1] : blank[i])) p(label[i])
//   beta:   blank'[i] = (blank[i] + label[i]) p(blank)
//           label'[i] = (label[i] + (skip[i+1] ? blank[i+1] + label[i+1] : blank[i+1])) p(label[i])
//
// skip[i]: label i differs from label i-1, so the blank between them may be left out.
// Mantissas grow by at most 8.5 and shrink by at most 0.7 a frame, so they are brought back to
// [1, 2) every 8 frames only.

// Vectors first .. last (inclusive) that hold a state which is reachable from both ends.
struct Band {
  int32_t first;
  int32_t last;
};

template <class S>
struct Lattice {
  using Real = typename S::Real;
  using V = typename S::V;
  static constexpr int W = S::W;
  using X = Extended<S>;
  using Number = typename X::Number;
  static constexpr int rowVector = 4 * W;

  // What a frame emits: the blank's probability, and each label lane's, either looked up in a
  // table of the slots (Table vectors long) or, with Table = 0, laid out lane by lane.
  struct Emission {
    Real blankM, blankE;
    const Real* tableM;
    const Real* tableE;
    const int32_t* laneSlot;
    const Real* laneM;
    const Real* laneE;
  };

  // The crossing recursion against the kept rows of the other one.
  struct Crossing {
    const Real* kept;      // the row of this frame, emission included
    Real pathExponent;     // exponent of the sum over all paths
    Real* labelPosterior;  // (out) [lanes], written inside the band only, not yet normalised
    Real blankPosterior;   // (out) sum over the blanks
    Real total;            // (out) sum over all states, 1 but for rounding and pathMantissa
  };

  static CTC_INLINE Number load(const Real* p) { return {S::load(p), S::load(p + W)}; }
  static CTC_INLINE void store(Real* p, Number a) {
    S::store(p, a.m);
    S::store(p + W, a.e);
  }
  // Writes zeros into the vectors of a row.
  static CTC_INLINE void clear(Real* row, Band band) {
    for (int32_t v = band.first; v <= band.last; ++v) {
      store(row + v * rowVector, X::zero());
      store(row + v * rowVector + 2 * W, X::zero());
    }
  }

  // From the row `source` (valid inside `from`) to `target`, one frame on. With Cross, also the
  // posteriors of the new frame. Emit = false leaves the emission out.
  template <bool Forward, int Table, bool Cross, bool Emit>
  static CTC_INLINE void step(const Real* source, Band from, Real* target, Band to,
                              const Real* skip, const Emission& emission, bool renormalise,
                              Crossing* crossing) {
    Number carry = X::zero();
    V blanks = S::set(Real(0)), labels = blanks;
    const Number blankEmission = {S::set(emission.blankM), S::set(emission.blankE)};
    V path = S::set(Real(0));
    if constexpr (Cross) path = S::set(crossing->pathExponent);
    const Lookup<Table> lookup(emission);

    if (Forward && to.first > from.first) {
      carry = load(source + (to.first - 1) * rowVector + 2 * W);
    }
    if (!Forward && to.last < from.last) {
      carry = advancing(source, to.last + 1, skip);
    }
    int32_t v = Forward ? to.first : to.last;
    for (int32_t left = to.last - to.first + 1; left > 0; --left, v += Forward ? 1 : -1) {
      Number blank = X::zero(), label = X::zero();
      if (Forward ? v <= from.last : v >= from.first) {
        blank = load(source + v * rowVector);
        label = load(source + v * rowVector + 2 * W);
      }
      Number newBlank, newLabel;
      if (Forward) {
        const Number shifted = {S::shiftUp(carry.m, label.m), S::shiftUp(carry.e, label.e)};
        carry = label;
        newBlank = X::add(blank, shifted);
        newLabel = X::add(label, X::select(S::loadMask(skip + v * W), newBlank, blank));
      } else {
        newBlank = X::add(blank, label);
        const Number going = X::select(S::loadMask(skip + v * W), newBlank, blank);
        const Number shifted = {S::shiftDown(going.m, carry.m), S::shiftDown(going.e, carry.e)};
        carry = going;
        newLabel = X::add(label, shifted);
      }
      if constexpr (Cross) {
        const Real* kept = crossing->kept + v * rowVector;
        const V blankPart = X::product(load(kept), newBlank, path);
        const V labelPart = X::product(load(kept + 2 * W), newLabel, path);
        S::store(crossing->labelPosterior + v * W, labelPart);
        blanks = S::add(blanks, blankPart);
        labels = S::add(labels, labelPart);
      }
      if constexpr (Emit) {
        const Number p = lookup.at(emission, v);
        newBlank = X::mul(newBlank, blankEmission);
        newLabel = X::mul(newLabel, p);
      }
      if (renormalise) {
        newBlank = X::renormalised(newBlank);
        newLabel = X::renormalised(newLabel);
      }
      store(target + v * rowVector, newBlank);
      store(target + v * rowVector + 2 * W, newLabel);
    }
    if constexpr (Cross) {
      crossing->blankPosterior = S::sum(blanks);
      crossing->total = crossing->blankPosterior + S::sum(labels);
    }
  }

  // Sum over the states of two rows' products, as mantissa and exponent; m = 0 if no path.
  static void dot(const Real* a, const Real* b, Band band, Real& mantissa, Real& exponent) {
    V most = S::set(2 * X::zeroExponent);
    for (int64_t i = static_cast<int64_t>(band.first) * rowVector;
         i < (static_cast<int64_t>(band.last) + 1) * rowVector; i += 2 * W) {
      most = S::max(S::add(S::load(a + i + W), S::load(b + i + W)), most);
    }
    exponent = S::maxOf(most);
    mantissa = 0;
    if (!(exponent > X::hardlyReached)) return;
    V sum = S::set(Real(0));
    const V e = S::set(exponent);
    for (int64_t i = static_cast<int64_t>(band.first) * rowVector;
         i < (static_cast<int64_t>(band.last) + 1) * rowVector; i += 2 * W) {
      sum = S::add(sum, X::product(load(a + i), load(b + i), e));
    }
    mantissa = S::sum(sum);
  }

 private:
  // What leaves the pair lanes of vector v for the label below them (beta).
  static CTC_INLINE Number advancing(const Real* source, int32_t v, const Real* skip) {
    const Number blank = load(source + v * rowVector);
    const Number label = load(source + v * rowVector + 2 * W);
    return X::select(S::loadMask(skip + v * W), X::add(blank, label), blank);
  }

  template <int Table, class Enable = void>
  struct Lookup {
    typename S::template Table<Table> m, e;
    CTC_INLINE explicit Lookup(const Emission& emission) : m(emission.tableM), e(emission.tableE) {}
    CTC_INLINE Number at(const Emission& emission, int32_t v) const {
      const int32_t* slot = emission.laneSlot + v * W;
      return {m.at(slot), e.at(slot)};
    }
  };
  template <class Enable>
  struct Lookup<0, Enable> {
    CTC_INLINE explicit Lookup(const Emission&) {}
    CTC_INLINE Number at(const Emission& emission, int32_t v) const {
      return {S::load(emission.laneM + v * W), S::load(emission.laneE + v * W)};
    }
  };
};
