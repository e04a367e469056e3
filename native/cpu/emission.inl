// From rows of the input to what the lattice multiplies by. Included inside a namespace and a
// target region.
//
// Slots are the classes that the lattice looks at: every class where there are few (so that one
// pass gives softmax and emissions); else one of each lane, the blank's behind them, so that a
// frame's entry is what the lanes emit (a label seen twice has two slots, and its posteriors are
// added up in the first); else, where the target is longer than the alphabet, the blank and the
// labels. Emissions are relative to the row's reference (its maximum over all classes for logits,
// over the slots for log-probabilities): a confident path is then multiplied by exactly 1 and loses
// no digit.

// What an utterance's slots are; the same for both halves.
template <class Real>
struct Slots {
  int32_t count = 0;
  int32_t padded = 0;          // whole vectors, at least the lookup table's length
  int32_t end = 0;             // whole vectors that hold a slot; the entries beyond stay zero
  int32_t blank = 0;           // the blank's slot
  bool everyClass = false;     // slot == class
  bool ownOfLane = false;      // slot == lane
  int32_t* classOf = nullptr;  // [count]
  int32_t* ofLane = nullptr;   // [lanes]; lanes without a label point at the blank's slot; where
                               //   slots are lanes, the first one of the same label
  Real* used = nullptr;        // [padded] mask: the blank or a label of the target
};

// Emissions of the frames of a block, one entry each, kept with the block's lattice rows. They are
// computed a run of frames at a time: they don't depend on one another, and the lattice steps,
// which do, then find them ready.
template <class S>
struct Emissions {
  using Real = typename S::Real;
  static constexpr int run = 8;
  int32_t padded = 0;      // numbers of an entry
  Real* inputs = nullptr;  // [padded] one frame's slot inputs, unless slots are classes
  Real* tableM = nullptr;  // [entries][padded]
  Real* tableE = nullptr;
  Real* laneM = nullptr;  // [lanes] one frame, laid out lane by lane, only where a table does not
  Real* laneE = nullptr;  //   fit into registers

  Real* mantissas(int64_t entry) const { return tableM + entry * padded; }
  Real* exponents(int64_t entry) const { return tableE + entry * padded; }
};

template <class S, class E>
struct Emitter {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  using X = Extended<S>;
  static constexpr int W = S::W;
  static constexpr Real inf = std::numeric_limits<Real>::infinity();

  // Slot inputs of a frame, a vector at a time. Copies what it needs of the slots, so that a loop
  // that writes numbers need not look there again.
  struct Inputs {
    bool everyClass;
    int32_t count, end;
    const Real* used;
    const T* row;
    const Real* gathered;

    // Lanes beyond the last slot: `fill`, or the first slot's number where they were gathered.
    CTC_INLINE V at(int32_t k, Real fill) const {
      if (!everyClass) return S::load(gathered + k);
      const int32_t rest = count - k;
      return rest >= W ? E::load(row + k) : E::loadPartial(row + k, rest, fill);
    }
  };

  static CTC_INLINE Inputs inputs(const T* row, const Slots<Real>& slots, Real* gathered) {
    if (!slots.everyClass) {
      int32_t k = 0;
      for (; k < slots.count; ++k) gathered[k] = E::get(row + slots.classOf[k]);
      for (; k < slots.end; ++k) gathered[k] = gathered[0];
    }
    return {slots.everyClass, slots.count, slots.end, slots.used, row, gathered};
  }

  static CTC_INLINE Real maximum(const Inputs inputs) {
    V most = inputs.at(0, -inf);
    for (int32_t k = W; k < inputs.end; k += W) most = S::max(most, inputs.at(k, -inf));
    return S::maxOf(most);
  }

  static bool allBelowInfinity(const Inputs inputs) {
    bool fine = true;
    for (int32_t k = 0; k < inputs.end; k += W) {
      fine = fine && S::all(S::less(inputs.at(k, -inf), S::set(inf)));
    }
    return fine;
  }

  // exp(x - ref) of every slot, into an entry of the emissions. First: also returns their sum,
  // where slots are classes, and `lowest` follows the least exponent of a used slot, unless none is
  // further than `reach` from ref: then there is no mask either, and a third less work.
  template <bool First>
  static CTC_INLINE double split(const Inputs inputs, Real ref, Real reach,
                                 const Emissions<S>& emissions, int64_t entry, V* lowest) {
    V least = S::set(ref);
    const double sum = splitAs<First, true>(inputs, ref, emissions, entry, &least);
    // False for NaN, which is +Infinity or masks alone.
    if (ref - S::minOf(least) <= reach) return sum;
    return splitFar<First>(inputs, ref, emissions, entry, lowest);
  }

  // An entry as the lattice wants it, for the lanes of the band. Table: vectors of the lookup
  // table, as a constant where it fits into registers, else 0.
  template <int Table>
  static CTC_INLINE typename Lattice<S>::Emission at(const Slots<Real>& slots,
                                                     const Emissions<S>& emissions, int64_t entry,
                                                     Band band) {
    const Real* const tableM = emissions.mantissas(entry);
    const Real* const tableE = emissions.exponents(entry);
    if (Table == 0 && slots.ownOfLane) {
      return {
          tableM[slots.blank], tableE[slots.blank], tableM, tableE, slots.ofLane, tableM, tableE};
    }
    if (Table == 0) {
      const int32_t end = (band.last + 1) * W;
      for (int32_t lane = band.first * W; lane < end; ++lane) {
        emissions.laneM[lane] = tableM[slots.ofLane[lane]];
        emissions.laneE[lane] = tableE[slots.ofLane[lane]];
      }
    }
    return {tableM[slots.blank], tableE[slots.blank], tableM,         tableE,
            slots.ofLane,        emissions.laneM,     emissions.laneE};
  }

 private:
  // Rare: its code is kept apart.
  template <bool First>
  static double splitFar(const Inputs inputs, Real ref, const Emissions<S>& emissions,
                         int64_t entry, V* lowest) {
    return splitAs<First, false>(inputs, ref, emissions, entry, lowest);
  }

  // `least` follows the inputs if Near, else the exponents of used slots.
  template <bool First, bool Near>
  static CTC_INLINE double splitAs(const Inputs inputs, Real ref, const Emissions<S>& emissions,
                                   int64_t entry, V* least) {
    const V r = S::set(ref), zero = S::set(Real(0)), one = S::set(Real(1));
    const V zeroE = S::set(X::zeroExponent);
    Real* const tableM = emissions.mantissas(entry);
    Real* const tableE = emissions.exponents(entry);
    V rest = zero, low = First || Near ? *least : zero;
    int ones = 0;
    for (int32_t k = 0; k < inputs.end; k += W) {
      const V x = inputs.at(k, ref);
      // x - ref with what the rounding took away (Knuth's two-sum): with logits of 1e4 the digits
      // lost here would be the posteriors' third.
      const V d = S::sub(x, r);
      const V back = S::sub(d, x);
      const V lost = S::sub(S::sub(x, S::sub(d, back)), S::add(r, back));
      V e;
      V m = Exp<S>::polynomial(Exp<S>::reduced(d, lost, e));
      if (Near) {
        low = S::min(low, x);
      } else {
        // Exponents beyond 1e290 could not be added up over the frames; no path could pay for one.
        const auto masked =
            sizeof(Real) == 8 ? S::less(d, S::set(Real(-1e290))) : S::equal(x, S::set(-inf));
        if (First) {
          const V relevant = S::select(S::loadMask(inputs.used + k), e, zero);
          low = S::min(low, S::select(masked, zero, relevant));
        }
        m = S::select(masked, one, m);
        e = S::select(masked, zeroE, e);
      }
      if (First) {
        const auto top = S::equal(d, zero);
        ones += S::count(top);
        rest = S::addUnless(top, rest, S::scale(m, e));
      }
      S::store(tableM + k, m);
      S::store(tableE + k, e);
    }
    if (First || Near) *least = low;
    // Lanes beyond the last class counted as maxima.
    return First ? ones - (inputs.end - inputs.count) + static_cast<double>(S::sum(rest)) : 0;
  }
};
