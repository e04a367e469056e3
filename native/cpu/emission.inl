// From rows of the input to what the lattice multiplies by. Included inside a namespace and a
// target region.
//
// Slots are the classes that the lattice looks at: every class where there are few (so that one
// pass gives softmax and emissions), else the blank and the target's distinct labels. Emissions are
// relative to the row's reference (its maximum over all classes for logits, over the slots for
// log-probabilities): a confident path is then multiplied by exactly 1 and loses no digit.

// What an utterance's slots are; the same for both halves.
template <class Real>
struct Slots {
  int32_t count = 0;
  int32_t padded = 0;          // whole vectors, at least the lookup table's length
  int32_t end = 0;             // whole vectors that hold a slot; the entries beyond stay zero
  int32_t blank = 0;           // the blank's slot
  bool everyClass = false;     // slot == class
  int32_t* classOf = nullptr;  // [count]
  int32_t* ofLane = nullptr;   // [lanes]; lanes without a label point at the blank's slot
  Real* used = nullptr;        // [padded] mask: the blank or a label of the target
  Real* notBlank = nullptr;    // [padded] mask
};

// Emissions of a run of frames, computed together: they don't depend on one another, and the
// lattice steps, which do, then find them ready.
template <class S>
struct Emissions {
  using Real = typename S::Real;
  static constexpr int most = 8;
  Real* inputs = nullptr;  // [slots.padded] one frame's slot inputs
  Real* tableM = nullptr;  // [most][slots.padded]; the blank's entry is zero: lanes without a label
  Real* tableE = nullptr;  //   point at it, labels never do
  Real* laneM = nullptr;   // [lanes] one frame, laid out lane by lane, only where a table does not
  Real* laneE = nullptr;   //   fit into registers
  Real blankM[most];
  Real blankE[most];
};

// Table: vectors of the lookup table, as a constant where it fits into registers, else 0.
template <class S, class E, int Table>
struct Emitter {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  using X = Extended<S>;
  static constexpr int W = S::W;
  static constexpr Real inf = std::numeric_limits<Real>::infinity();

  static CTC_INLINE int32_t padded(const Slots<Real>& slots) {
    return Table > 0 ? Table * W : slots.padded;
  }

  static CTC_INLINE void gather(const T* row, const Slots<Real>& slots, Real* out) {
    if (!slots.everyClass) {
      int32_t k = 0;
      for (; k < slots.count; ++k) out[k] = E::get(row + slots.classOf[k]);
      for (; k < slots.end; ++k) out[k] = -inf;
      return;
    }
    for (int32_t k = 0; k < slots.end; k += W) {
      const int32_t rest = slots.count - k;
      S::store(out + k, rest >= W ? E::load(row + k) : E::loadPartial(row + k, rest, -inf));
    }
  }

  static CTC_INLINE Real maximum(const Slots<Real>& slots, const Real* inputs) {
    V most = S::load(inputs);
    for (int32_t k = W; k < slots.end; k += W) most = S::max(most, S::load(inputs + k));
    return S::maxOf(most);
  }

  static bool allBelowInfinity(const Slots<Real>& slots, const Real* inputs) {
    bool fine = true;
    for (int32_t k = 0; k < slots.end; k += W) {
      fine = fine && S::all(S::less(S::load(inputs + k), S::set(inf)));
    }
    return fine;
  }

  // exp(x - ref) of every slot, into entry i of the emissions. `softmax` (may be null) gets plain
  // values. First: also returns their sum, and `lowest` follows the least exponent of a used slot.
  template <bool First>
  static CTC_INLINE double split(const Slots<Real>& slots, Real ref, Emissions<S>& emissions, int i,
                                 Real* softmax, V* lowest) {
    const V r = S::set(ref), zero = S::set(Real(0)), one = S::set(Real(1));
    const V zeroE = S::set(X::zeroExponent);
    Real* const tableM = emissions.tableM + i * padded(slots);
    Real* const tableE = emissions.tableE + i * padded(slots);
    V rest = zero, least = zero;
    int ones = 0;
    for (int32_t k = 0; k < slots.end; k += W) {
      const V x = S::load(emissions.inputs + k);
      // x - ref with what the rounding took away (Knuth's two-sum): with logits of 1e4 the digits
      // lost here would be the posteriors' third.
      const V d = S::sub(x, r);
      const V back = S::sub(d, x);
      const V low = S::sub(S::sub(x, S::sub(d, back)), S::add(r, back));
      V exponent;
      V m = Exp<S>::polynomial(Exp<S>::reduced(d, low, exponent));
      const auto masked = S::equal(x, S::set(-inf));
      m = S::select(masked, one, m);
      const V e = S::select(masked, zeroE, exponent);
      if (First) {
        const V relevant = S::select(S::loadMask(slots.used + k), exponent, zero);
        least = S::min(least, S::select(masked, zero, relevant));
        const auto top = S::equal(d, zero);
        ones += S::count(top);
        rest = S::addUnless(top, rest, S::scale(m, e));
      }
      if (softmax != nullptr) S::store(softmax + k, S::scale(m, e));
      S::store(tableM + k, m);
      S::store(tableE + k, S::select(S::loadMask(slots.notBlank + k), e, zeroE));
      S::store(emissions.inputs + k, e);
    }
    emissions.blankM[i] = tableM[slots.blank];
    emissions.blankE[i] = emissions.inputs[slots.blank];
    if (First) *lowest = S::min(*lowest, least);
    return First ? ones + static_cast<double>(S::sum(rest)) : 0;
  }

  // Entry i as the lattice wants it, for the lanes of the band.
  static CTC_INLINE typename Lattice<S>::Emission at(const Slots<Real>& slots,
                                                     const Emissions<S>& emissions, int i,
                                                     Band band) {
    const Real* const tableM = emissions.tableM + i * padded(slots);
    const Real* const tableE = emissions.tableE + i * padded(slots);
    if (Table == 0) {
      const int32_t end = (band.last + 1) * W;
      for (int32_t lane = band.first * W; lane < end; ++lane) {
        emissions.laneM[lane] = tableM[slots.ofLane[lane]];
        emissions.laneE[lane] = tableE[slots.ofLane[lane]];
      }
    }
    return {emissions.blankM[i], emissions.blankE[i], tableM,         tableE,
            slots.ofLane,        emissions.laneM,     emissions.laneE};
  }
};
