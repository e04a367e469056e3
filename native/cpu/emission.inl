// From a row of the input to what the lattice multiplies by. Included inside a namespace and a
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
  int32_t padded = 0;        // a multiple of W, at least the lookup table's length
  int32_t blank = 0;         // the blank's slot
  bool everyClass = false;   // slot == class
  int32_t* classOf = nullptr;   // [count]
  int32_t* ofLane = nullptr;    // [lanes]; lanes without a label point at the blank's slot
  Real* used = nullptr;         // [padded] mask: the blank or a label of the target
  Real* notBlank = nullptr;     // [padded] mask
};

// One half's view of the current frame.
template <class S>
struct FrameEmission {
  using Real = typename S::Real;
  Real* tableM = nullptr;  // [slots.padded]; the blank's entry is zero, as is every lane that has no label
  Real* tableE = nullptr;
  Real* laneM = nullptr;   // [lanes], only where the tables don't fit into registers
  Real* laneE = nullptr;
  Real* gathered = nullptr;  // [slots.padded] the slots' inputs
  Real blankM = 0, blankE = 0;
};

template <class S, class E>
struct Emitter {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  static constexpr int W = S::W;
  static constexpr Real inf = std::numeric_limits<Real>::infinity();

  static void gather(const T* row, const Slots<Real>& slots, Real* out) {
    for (int32_t k = 0; k < slots.count; ++k) out[k] = E::get(row + slots.classOf[k]);
    for (int32_t k = slots.count; k < slots.padded; ++k) out[k] = -inf;
  }

  // The slots' inputs as vectors, from the row itself where slots are classes.
  static CTC_INLINE V slotInput(const T* row, const Slots<Real>& slots, const Real* gathered,
                                int32_t k) {
    if (!slots.everyClass) return S::load(gathered + k);
    const int32_t rest = slots.count - k;
    if (rest >= W) return E::load(row + k);
    return rest > 0 ? E::loadPartial(row + k, rest, -inf) : S::set(-inf);
  }

  static Real maximum(const T* row, const Slots<Real>& slots, const Real* gathered) {
    V most = S::set(-inf);
    for (int32_t k = 0; k < slots.padded; k += W) {
      most = S::max(slotInput(row, slots, gathered, k), most);
    }
    return S::maxOf(most);
  }

  static bool allBelowInfinity(const Slots<Real>& slots, const Real* gathered) {
    bool fine = true;
    for (int32_t k = 0; k < slots.padded; k += W) {
      fine = fine && S::all(S::less(S::load(gathered + k), S::set(inf)));
    }
    return fine;
  }

  // exp(x - ref) of every slot, as mantissas and exponents. `softmax` (may be null) gets the plain
  // values, `sum` (may be null) their sum; `lowest` the least exponent of a used slot so far.
  static CTC_INLINE void split(const T* row, const Slots<Real>& slots, Real ref,
                               FrameEmission<S>& frame, Real* softmax, double* sum, V* lowest) {
    const V r = S::set(ref);
    const V zeroE = S::set(Lattice<S>::zeroExponent);
    const V one = S::set(Real(1));
    typename S::Sum total = S::zeroSum();
    for (int32_t k = 0; k < slots.padded; k += W) {
      const V x = slotInput(row, slots, frame.gathered, k);
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
      if (lowest != nullptr) {
        const V relevant = S::select(S::loadMask(slots.used + k), exponent, S::set(Real(0)));
        *lowest = S::min(*lowest, S::select(masked, S::set(Real(0)), relevant));
      }
      if (softmax != nullptr || sum != nullptr) {
        const V y = S::scale(m, e);
        if (softmax != nullptr) S::store(softmax + k, y);
        if (sum != nullptr) S::accumulate(total, y);
      }
      S::store(frame.tableM + k, m);
      S::store(frame.tableE + k, S::select(S::loadMask(slots.notBlank + k), e, zeroE));
      S::store(frame.gathered + k, e);
    }
    frame.blankM = frame.tableM[slots.blank];
    frame.blankE = frame.gathered[slots.blank];
    if (sum != nullptr) *sum = S::total(total);
  }

  // Lays the tables out lane by lane.
  static void spread(const Slots<Real>& slots, FrameEmission<S>& frame, Band band) {
    const int32_t end = (band.last + 1) * W;
    for (int32_t i = band.first * W; i < end; ++i) {
      const int32_t k = slots.ofLane[i];
      frame.laneM[i] = frame.tableM[k];
      frame.laneE[i] = frame.tableE[k];
    }
  }
};
