// An utterance laid out in memory: its slots, transitions and reachable band, and what each half
// of the computation works with. Included inside a namespace and a target region.

// One half of the frames: from an end of the utterance to the middle. Rows of the lattice are
// `row` = 4 * lanes numbers.
template <class S, class E>
struct Half {
  using Real = typename S::Real;
  bool forward = true;      // alpha over the first frames, or beta over the last
  int64_t count = 0;        // frames
  int64_t blockFrames = 0;  // whose rows and emissions are kept at once
  int64_t blocks = 0;
  Real* kept = nullptr;                 // [blockFrames][row]; two rows for the loss alone
  Real* checkpoints = nullptr;          // [blocks][row]: the row before each block
  Real* middle = nullptr;               // [row]: the row at the middle
  Real* cross[2] = {nullptr, nullptr};  // [row] each: the other recursion, passing through
  Emissions<S> emissions;
  typename E::Type* contiguous = nullptr;  // [C] a row whose classes are not neighbours in memory
  PosteriorGroup<S> group;
  double logNorm = 0;  // what the emissions' references and sums add to the loss
  Real lowest = 0;     // least exponent of an emission
  bool nonfinite = false;
};

template <class S, class E>
class Utterance {
 public:
  using Real = typename S::Real;
  using T = typename E::Type;
  using L = Lattice<S>;
  static constexpr int W = S::W;
  static constexpr int32_t fewClasses = 64;  // up to here every class is a slot
  // What a half keeps of its rows and emissions; the others are recomputed from checkpoints. Both
  // halves' fit into an L2 cache.
  static constexpr int64_t blockBytes = 384 << 10;

  Utterance(const UtteranceProblem& p, Arena& arena)
      : problem(p), lanes((p.labelCount + 1 + W - 1) / W * W) {
    half[0].forward = true;
    half[0].count = p.frames / 2;
    half[1].forward = false;
    half[1].count = p.frames - p.frames / 2;

    slots.everyClass = logits() && p.classes <= fewClasses;
    slots.ownOfLane = !slots.everyClass && p.labelCount < p.classes;
    const int64_t most = slots.ownOfLane ? int64_t{p.labelCount} + 1 : p.classes;
    slots.padded = static_cast<int32_t>((most + W - 1) / W * W);
    slots.end = slots.padded;
    table = slots.padded <= 2 * W ? 2 : slots.padded <= 4 * W ? 4 : 0;
    if (slots.ownOfLane || table > S::lookupVectors) table = 0;
    slots.padded = std::max(slots.padded, table * W);
    slots.classOf = arena.take<int32_t>(slots.padded);
    slots.ofLane = arena.take<int32_t>(lanes);
    slots.used = arena.take<Real>(slots.padded);
    skip = arena.take<Real>(lanes);
    if (gradient()) reference = arena.take<Real>(p.frames);
    if (gradient() && logits()) inverse = arena.take<Real>(p.frames);
    for (Half<S, E>& h : half) slice(h, arena);
    int32_t* const slotOf = slots.everyClass ? nullptr : arena.take<int32_t>(p.classes);
    if (arena.counting()) return;
    fillSlots(slotOf);
    slots.end = (slots.count + W - 1) / W * W;
    for (Half<S, E>& h : half) {
      // The table is looked up whole: what lies beyond the last slot must be numbers.
      for (int64_t i = 0; slots.end < slots.padded && i < h.blockFrames; ++i) {
        std::fill(h.emissions.mantissas(i) + slots.end, h.emissions.mantissas(i) + slots.padded,
                  Real(1));
        std::fill(h.emissions.exponents(i) + slots.end, h.emissions.exponents(i) + slots.padded,
                  Extended<S>::zeroExponent);
      }
      if (h.group.scratch != nullptr && sparse()) {
        std::fill(h.group.scratch, h.group.scratch + p.classes, Real(0));
      }
    }
  }

  bool logits() const { return problem.inputKind == Input::logits; }
  bool gradient() const { return problem.gradient != nullptr; }
  // Gradient rows that are 0 but at the slots.
  bool sparse() const { return !logits() && problem.gradientOf == GradientOf::input; }
  // Many classes, whose softmax is the gradient but at the slots: written once, at first sight.
  bool early() const { return logits() && gradient() && !slots.everyClass; }
  int64_t row() const { return int64_t{4} * lanes; }
  // How far below its reference an emission may lie without a look at its exponent: so near that
  // those of all frames add up exactly. Negative where there are too many frames for it.
  Real reach() const { return problem.frames <= 1 << 15 ? Real(64) : Real(-1); }

  // Lane i can be reached by frame t if i <= t, and can still reach the end if L - 1 - i frames or
  // more are left after it. Frames -1 and T stand for the starts of the recursions.
  Band bandAt(int64_t t) const {
    const int64_t count = problem.labelCount;
    const int64_t highest = std::max<int64_t>(0, std::min(count, t));
    const int64_t lowest = std::max<int64_t>(0, count - problem.frames + t);
    return {static_cast<int32_t>(lowest / W), static_cast<int32_t>(highest / W)};
  }

  int64_t frameAt(const Half<S, E>& h, int64_t j) const {
    return h.forward ? j : problem.frames - 1 - j;
  }

  T* gradientRow(int64_t t) const {
    return static_cast<T*>(problem.gradient) + t * problem.gradientFrameStride;
  }

  // Frame t as neighbouring numbers. The pointer of a frame that is only to be fetched early.
  const T* rowStart(int64_t t) const {
    const int64_t inside = std::max<int64_t>(0, std::min(t, problem.frames - 1));
    return static_cast<const T*>(problem.data) + inside * problem.frameStride;
  }
  const T* rowAt(Half<S, E>& h, int64_t t) const {
    const T* const from = rowStart(t);
    if (problem.classStride == 1) return from;
    for (int64_t c = 0; c < problem.classes; ++c) h.contiguous[c] = from[c * problem.classStride];
    return h.contiguous;
  }

  // The row before a recursion's first frame: one state, with probability 1.
  void startRow(bool forward, Real* to) const {
    const int32_t lane = forward ? 0 : problem.labelCount;
    const int32_t v = lane / W;
    L::clear(to, {v, v});
    to[v * L::rowVector + W + lane % W] = 0;
  }

  void copyRow(Real* to, const Real* from, Band band) const {
    const int64_t first = static_cast<int64_t>(band.first) * L::rowVector;
    const int64_t end = (static_cast<int64_t>(band.last) + 1) * L::rowVector;
    std::memcpy(to + first, from + first, static_cast<size_t>(end - first) * sizeof(Real));
  }

  bool cancelled() const {
    return problem.cancelled != nullptr && problem.cancelled->load(std::memory_order_relaxed);
  }

  const UtteranceProblem problem;
  const int32_t lanes;
  int32_t table = 0;  // vectors of the lookup table, 0: none
  Slots<Real> slots;
  Real* skip = nullptr;       // [lanes] mask: label i may follow label i - 1 without a blank
  Real* reference = nullptr;  // [T] what was taken from each row before exp
  Real* inverse = nullptr;    // [T] 1 / sum of exp
  Half<S, E> half[2];

 private:
  void slice(Half<S, E>& h, Arena& arena) {
    const int64_t rowBytes = row() * static_cast<int64_t>(sizeof(Real));
    const int64_t entryBytes = 2 * slots.padded * static_cast<int64_t>(sizeof(Real));
    constexpr int64_t run = Emissions<S>::run;
    h.blockFrames = run;
    if (gradient()) {
      // With blocks of sqrt(count) frames rows and checkpoints take the least room; shorter ones
      // that stay in the cache are worth up to twice that. Whole runs, either way.
      const int64_t root = static_cast<int64_t>(std::sqrt(static_cast<double>(h.count))) + 1;
      const int64_t cached = blockBytes / (rowBytes + entryBytes) / run * run;
      h.blockFrames = std::max({run, cached, (root / 4 + run - 1) / run * run});
    }
    h.blockFrames = std::max<int64_t>(1, std::min(h.blockFrames, h.count));
    h.blocks = (h.count + h.blockFrames - 1) / h.blockFrames;
    h.kept = arena.take<Real>((gradient() ? h.blockFrames : 2) * row());
    h.checkpoints = arena.take<Real>((gradient() && h.blocks > 1 ? h.blocks : 1) * row());
    h.middle = arena.take<Real>(row());
    h.cross[0] = arena.take<Real>(row());
    h.cross[1] = arena.take<Real>(row());
    h.emissions.padded = slots.padded;
    if (!slots.everyClass) h.emissions.inputs = arena.take<Real>(slots.padded);
    h.emissions.tableM = arena.take<Real>(h.blockFrames * slots.padded);
    h.emissions.tableE = arena.take<Real>(h.blockFrames * slots.padded);
    if (table == 0 && !slots.ownOfLane) {
      h.emissions.laneM = arena.take<Real>(lanes);
      h.emissions.laneE = arena.take<Real>(lanes);
    }
    if (problem.classStride != 1) h.contiguous = arena.take<T>(problem.classes);
    if (!gradient()) return;
    h.group.posterior = arena.take<Real>(int64_t{W} * lanes);
    h.group.occupancy = arena.take<Real>(int64_t{W} * slots.padded);
    if (!slots.everyClass) h.group.scratch = arena.take<Real>((problem.classes + W - 1) / W * W);
  }

  // slotOf: [C] room for the class -> slot map, unused where slots are classes.
  void fillSlots(int32_t* slotOf) {
    const int32_t count = problem.labelCount;
    const int32_t* labels = problem.labels;
    const auto mask = [](bool yes) { return yes ? allBits() : Real(0); };
    slots.count = static_cast<int32_t>(problem.classes);
    slots.blank = problem.blank;
    // Only the entries that are looked at need a value.
    for (int32_t i = 0; !slots.everyClass && i < count; ++i) slotOf[labels[i]] = -1;
    if (slots.ownOfLane) {
      for (int32_t i = 0; i < count; ++i) {
        slots.classOf[i] = labels[i];
        if (slotOf[labels[i]] < 0) slotOf[labels[i]] = i;
      }
      slots.classOf[count] = problem.blank;
      slots.count = count + 1;
      slots.blank = count;
    } else if (!slots.everyClass) {
      slots.count = 0;
      slots.blank = 0;
      slots.classOf[slots.count++] = problem.blank;
      for (int32_t i = 0; i < count; ++i) {
        if (slotOf[labels[i]] >= 0) continue;
        slotOf[labels[i]] = slots.count;
        slots.classOf[slots.count++] = labels[i];
      }
    }
    for (int32_t k = 0; k < slots.padded; ++k) {
      slots.used[k] = mask(slots.everyClass ? k == slots.blank : k < slots.count);
    }
    for (int32_t i = 0; i < lanes; ++i) {
      const bool label = i < count;
      slots.ofLane[i] = !label ? slots.blank : slots.everyClass ? labels[i] : slotOf[labels[i]];
      if (label) slots.used[slots.ofLane[i]] = allBits();
      skip[i] = mask(label && i > 0 && labels[i] != labels[i - 1]);
    }
  }

  static Real allBits() {
    Real x;
    std::memset(&x, 0xFF, sizeof x);
    return x;
  }
};
