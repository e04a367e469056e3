// One utterance: the two recursions that meet in the middle, their kept rows, and the gradient.
// Included inside a namespace and a target region; kernels.h tells the phases.
//
// A half keeps the rows of its last block of frames; of the blocks before it only the last row, from
// which outward() recomputes them. One block (nothing recomputed) while it fits into `blockBytes`.

template <class S, class E>
class Sweep final : public UtteranceKernel {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  using L = Lattice<S>;
  using Row = Rows<S, E>;
  static constexpr int W = S::W;
  static constexpr int32_t fewClasses = 64;    // up to here every class is a slot
  static constexpr int64_t blockBytes = 384 << 10;  // of kept rows a half: both fit into 1 MB of L2
  // Exponents are exact integers while they stay below 2^24 (2^53).
  static constexpr Real exponentRange = sizeof(Real) == 8 ? Real(1e300) : Real(1 << 22);
  static constexpr Real frameRange = sizeof(Real) == 8 ? Real(1e300) : Real(1 << 14);

 public:
  Sweep(const UtteranceProblem& problem, Arena& arena)
      : problem_(problem), lanes_(lanesOf(problem)) {
    const int64_t frames = problem.frames;
    half_[0].forward = true;
    half_[0].count = frames / 2;
    half_[1].forward = false;
    half_[1].count = frames - frames / 2;

    slots_.everyClass = problem.inputKind == Input::logits && problem.classes <= fewClasses;
    const int64_t mostSlots =
        slots_.everyClass ? problem.classes
                          : std::min<int64_t>(problem.classes, int64_t{problem.labelCount} + 1);
    slots_.padded = static_cast<int32_t>((mostSlots + W - 1) / W * W);
    table_ = slots_.padded <= 2 * W ? 2 : slots_.padded <= 4 * W ? 4 : 0;
    if (table_ > S::lookupVectors) table_ = 0;
    slots_.padded = std::max(slots_.padded, table_ * W);
    slots_.classOf = arena.take<int32_t>(slots_.padded);
    slots_.ofLane = arena.take<int32_t>(lanes_);
    slots_.used = arena.take<Real>(slots_.padded);
    slots_.notBlank = arena.take<Real>(slots_.padded);
    skip_ = arena.take<Real>(lanes_);

    const bool gradient = problem.gradient != nullptr;
    if (gradient && problem.inputKind == Input::logits) {
      reference_ = arena.take<Real>(frames);
      inverse_ = arena.take<Real>(frames);
    } else if (gradient) {
      reference_ = arena.take<Real>(frames);
    }
    for (Half& h : half_) slice(h, gradient, arena);
    int32_t* const slotOf = slots_.everyClass ? nullptr : arena.take<int32_t>(problem.classes);
    if (arena.counting()) return;
    fillSlots(slotOf);
    for (Half& h : half_) {
      for (int32_t i = 0; i < slots_.padded; ++i) {
        h.frame.tableM[i] = 1;
        h.frame.tableE[i] = L::zeroExponent;
      }
      if (h.group.scratch != nullptr && keepsZeros()) {
        std::fill(h.group.scratch, h.group.scratch + problem.classes, Real(0));
      }
    }
  }

  void inward(int half) override {
    withTable([&](auto table) { inwardWith<table.value>(half_[half]); });
  }

  Meeting meet() override {
    Meeting meeting;
    const Half& head = half_[0];
    const Half& tail = half_[1];
    const Real lowest = std::min(head.lowest, tail.lowest);
    const bool exact = -lowest <= frameRange &&
                       -lowest * static_cast<Real>(problem_.frames) <= exponentRange;
    if (head.nonfinite || tail.nonfinite || !exact) {
      meeting.needsWide = sizeof(Real) == 4;
      meeting.status = Status::nonfinite;
      meeting.loss = std::numeric_limits<double>::quiet_NaN();
      return meeting;
    }
    // Beta's step onto alpha's last frame, without that frame's emission, which alpha has.
    const int64_t last = head.count - 1;
    typename L::Emission none{1, 0, nullptr, nullptr, nullptr, nullptr, nullptr};
    L::template step<false, 0, false, false>(tail.middle, bandAt(last + 1), half_[0].cross[0],
                                             bandAt(last), skip_, none, false, nullptr);
    Real mantissa, exponent;
    L::dot(head.middle, half_[0].cross[0], bandAt(last), mantissa, exponent);
    if (mantissa == 0) {
      meeting.status = Status::infeasible;
      meeting.loss = std::numeric_limits<double>::infinity();
      return meeting;
    }
    pathExponent_ = exponent;
    const double log2 = 0.69314718055994530942;
    meeting.loss = head.logNorm + tail.logNorm -
                   (std::log(static_cast<double>(mantissa)) + static_cast<double>(exponent) * log2);
    return meeting;
  }

  void outward(int half) override {
    withTable([&](auto table) { outwardWith<table.value>(half_[half], half_[1 - half]); });
  }

 private:
  struct Half {
    bool forward = true;
    int64_t count = 0;        // frames
    int64_t blockFrames = 0;  // kept at once
    int64_t blocks = 0;
    Real* kept = nullptr;         // [blockFrames][row]
    Real* checkpoints = nullptr;  // [blocks][row]: the row before each block
    Real* middle = nullptr;       // [row]: the row at the middle
    Real* cross[2] = {nullptr, nullptr};  // [row] each: the other recursion, passing through
    FrameEmission<S> frame;
    T* contiguous = nullptr;  // [C] a row whose classes are not neighbours in memory
    PosteriorGroup<S> group;
    double logNorm = 0;         // what the emissions' references and sums add to the loss
    Real lowest = 0;
    bool nonfinite = false;
  };

  // Calls body with the table's length as a constant.
  template <class Body>
  void withTable(Body body) {
    if constexpr (S::lookupVectors >= 4) {
      if (table_ == 4) return body(std::integral_constant<int, 4>());
      if (table_ == 2) return body(std::integral_constant<int, 2>());
    }
    body(std::integral_constant<int, 0>());
  }

  static int32_t lanesOf(const UtteranceProblem& p) { return (p.labelCount + 1 + W - 1) / W * W; }
  int64_t rowReals() const { return int64_t{4} * lanes_; }

  void slice(Half& h, bool gradient, Arena& arena) {
    const int64_t row = rowReals();
    const int64_t rowBytes = row * static_cast<int64_t>(sizeof(Real));
    if (gradient) {
      const int64_t root = static_cast<int64_t>(std::sqrt(static_cast<double>(h.count))) + 1;
      h.blockFrames = std::max(blockBytes / rowBytes, root);
    } else {
      h.blockFrames = 2;
    }
    h.blockFrames = std::max<int64_t>(1, std::min(h.blockFrames, h.count));
    h.blocks = (h.count + h.blockFrames - 1) / h.blockFrames;
    h.kept = arena.take<Real>(h.blockFrames * row);
    h.checkpoints = arena.take<Real>((gradient && h.blocks > 1 ? h.blocks : 1) * row);
    h.middle = arena.take<Real>(row);
    h.cross[0] = arena.take<Real>(row);
    h.cross[1] = arena.take<Real>(row);
    h.frame.tableM = arena.take<Real>(slots_.padded);
    h.frame.tableE = arena.take<Real>(slots_.padded);
    h.frame.gathered = arena.take<Real>(slots_.padded);
    if (table_ == 0) {
      h.frame.laneM = arena.take<Real>(lanes_);
      h.frame.laneE = arena.take<Real>(lanes_);
    }
    if (problem_.classStride != 1) h.contiguous = arena.take<T>(problem_.classes);
    if (!gradient) return;
    h.group.posterior = arena.take<Real>(int64_t{W} * lanes_);
    h.group.occupancy = arena.take<Real>(int64_t{W} * slots_.padded);
    if (slots_.everyClass) {
      h.group.softmax = arena.take<Real>(int64_t{W} * slots_.padded);
    } else {
      h.group.scratch = arena.take<Real>((problem_.classes + W - 1) / W * W);
    }
  }

  // slotOf: [C] room for the class -> slot map, unused where slots are classes.
  void fillSlots(int32_t* slotOf) {
    const int32_t count = problem_.labelCount;
    const int32_t* labels = problem_.labels;
    const auto mask = [](bool yes) { return yes ? allBits() : Real(0); };
    if (slots_.everyClass) {
      slots_.count = static_cast<int32_t>(problem_.classes);
      slots_.blank = problem_.blank;
    } else {
      // Only the entries that are looked at need a value.
      for (int32_t i = 0; i < count; ++i) slotOf[labels[i]] = -1;
      slots_.count = 0;
      slots_.blank = 0;
      slots_.classOf[slots_.count++] = problem_.blank;
      for (int32_t i = 0; i < count; ++i) {
        if (slotOf[labels[i]] >= 0) continue;
        slotOf[labels[i]] = slots_.count;
        slots_.classOf[slots_.count++] = labels[i];
      }
    }
    for (int32_t k = 0; k < slots_.padded; ++k) {
      slots_.notBlank[k] = mask(k != slots_.blank);
      slots_.used[k] = mask(!slots_.everyClass ? k < slots_.count : k == slots_.blank);
    }
    for (int32_t i = 0; i < lanes_; ++i) {
      const bool label = i < count;
      const int32_t slot =
          !label ? slots_.blank : slots_.everyClass ? labels[i] : slotOf[labels[i]];
      slots_.ofLane[i] = slot;
      if (label) slots_.used[slot] = allBits();
      skip_[i] = mask(label && i > 0 && labels[i] != labels[i - 1]);
    }
  }

  static Real allBits() {
    Real x;
    std::memset(&x, 0xFF, sizeof x);
    return x;
  }

  // Lane i can be reached by frame t if i <= t, and can still reach the end if L - 1 - i frames or
  // more are left after it. Frames -1 and T stand for the starts of the recursions.
  Band bandAt(int64_t t) const {
    const int64_t count = problem_.labelCount;
    const int64_t highest = std::max<int64_t>(0, std::min(count, t));
    const int64_t lowest = std::max<int64_t>(0, count - problem_.frames + t);
    return {static_cast<int32_t>(lowest / W), static_cast<int32_t>(highest / W)};
  }

  int64_t frameAt(const Half& h, int64_t j) const {
    return h.forward ? j : problem_.frames - 1 - j;
  }

  const T* rowAt(Half& h, int64_t t) const {
    const T* row = static_cast<const T*>(problem_.data) + t * problem_.frameStride;
    if (problem_.classStride == 1) return row;
    for (int64_t c = 0; c < problem_.classes; ++c) h.contiguous[c] = row[c * problem_.classStride];
    return h.contiguous;
  }

  bool cancelled() const {
    return problem_.cancelled != nullptr && problem_.cancelled->load(std::memory_order_relaxed);
  }

  // The row before a recursion's first frame: one state, with probability 1.
  void startRow(const Half& h, Real* row) const {
    const int32_t lane = h.forward ? 0 : problem_.labelCount;
    const int32_t v = lane / W;
    L::clear(row, {v, v});
    row[v * L::rowVector + W + lane % W] = 0;
  }

  // First sight of frame t: its reference and norm, then its emissions.
  struct FirstSight {
    double product = 1;
    V lowest;
  };
  void lookFirst(Half& h, int64_t t, FirstSight& sight) {
    const T* row = rowAt(h, t);
    const bool logits = problem_.inputKind == Input::logits;
    Real ref;
    double sum = 1;
    if (slots_.everyClass) {
      ref = Emitter<S, E>::maximum(row, slots_, nullptr);
      Emitter<S, E>::split(row, slots_, ref, h.frame, nullptr, &sum, &sight.lowest);
    } else {
      Emitter<S, E>::gather(row, slots_, h.frame.gathered);
      if (logits) {
        ref = Row::maximum(row, problem_.classes);
        sum = Row::sumExp(row, problem_.classes, ref);
      } else {
        if (!Emitter<S, E>::allBelowInfinity(slots_, h.frame.gathered)) h.nonfinite = true;
        ref = Emitter<S, E>::maximum(row, slots_, h.frame.gathered);
        if (ref == -Row::inf) ref = 0;
        h.logNorm -= static_cast<double>(ref);
      }
      Emitter<S, E>::split(row, slots_, ref, h.frame, nullptr, nullptr, &sight.lowest);
    }
    if (reference_ != nullptr) reference_[t] = ref;
    if (!logits) return;
    if (!(sum < std::numeric_limits<double>::infinity())) {
      h.nonfinite = true;
      sum = 1;
    }
    if (inverse_ != nullptr) inverse_[t] = static_cast<Real>(1 / sum);
    // One logarithm for many frames: a sum lies in [1, C].
    sight.product *= sum;
    if (sight.product > 1e200) {
      h.logNorm += std::log(sight.product);
      sight.product = 1;
    }
  }

  // A later sight: the reference is known. softmax may be null.
  void lookAgain(Half& h, int64_t t, Real* softmax) {
    const T* row = rowAt(h, t);
    if (!slots_.everyClass) Emitter<S, E>::gather(row, slots_, h.frame.gathered);
    Emitter<S, E>::split(row, slots_, reference_[t], h.frame, softmax, nullptr, nullptr);
  }

  template <int Table>
  typename L::Emission emission(Half& h, Band band) const {
    if (Table == 0) Emitter<S, E>::spread(slots_, h.frame, band);
    return {h.frame.blankM, h.frame.blankE, h.frame.tableM, h.frame.tableE,
            slots_.ofLane,  h.frame.laneM,  h.frame.laneE};
  }

  // One frame of a half's own recursion, from `source` to `target`.
  template <int Table>
  void advance(Half& h, int64_t j, const Real* source, Real* target) {
    const int64_t t = frameAt(h, j);
    const Band to = bandAt(t);
    const Band from = bandAt(h.forward ? t - 1 : t + 1);
    const bool renormalise = (j & 7) == 7;
    if (h.forward) {
      L::template step<true, Table, false, true>(source, from, target, to, skip_,
                                                 emission<Table>(h, to), renormalise, nullptr);
    } else {
      L::template step<false, Table, false, true>(source, from, target, to, skip_,
                                                  emission<Table>(h, to), renormalise, nullptr);
    }
  }

  template <int Table>
  void inwardWith(Half& h) {
    const int64_t row = rowReals();
    FirstSight sight;
    sight.lowest = S::set(Real(0));
    startRow(h, h.checkpoints);
    const Real* source = h.checkpoints;
    for (int64_t j = 0; j < h.count; ++j) {
      if ((j & 63) == 0 && cancelled()) return;
      const int64_t k = j % h.blockFrames;
      if (k == 0 && j > 0 && keepsGradient()) {
        Real* const checkpoint = h.checkpoints + j / h.blockFrames * row;
        copyRow(checkpoint, source, bandAt(frameAt(h, j - 1)));
      }
      lookFirst(h, frameAt(h, j), sight);
      advance<Table>(h, j, source, h.kept + k * row);
      source = h.kept + k * row;
    }
    copyRow(h.middle, source, bandAt(frameAt(h, h.count - 1)));
    h.logNorm += std::log(sight.product);
    h.lowest = S::minOf(sight.lowest);
  }

  template <int Table>
  void outwardWith(Half& h, const Half& other) {
    const int64_t row = rowReals();
    typename L::Crossing crossing{};
    crossing.pathExponent = pathExponent_;
    const Real* source = other.middle;
    int64_t crossed = 0;
    h.group.count = 0;
    for (int64_t b = h.blocks - 1; b >= 0; --b) {
      const int64_t begin = b * h.blockFrames;
      const int64_t end = std::min(begin + h.blockFrames, h.count);
      if (b < h.blocks - 1) recompute<Table>(h, b, begin, end);
      for (int64_t j = end - 1; j >= begin; --j, ++crossed) {
        if ((j & 63) == 0 && cancelled()) return;
        const int64_t t = frameAt(h, j);
        PosteriorGroup<S>& group = h.group;
        const int32_t f = group.count++;
        lookAgain(h, t, group.softmax == nullptr ? nullptr : group.softmax + f * slots_.padded);
        crossing.kept = h.kept + (j - begin) * row;
        crossing.labelPosterior = group.posterior + int64_t{f} * lanes_;
        Real* const target = h.cross[crossed & 1];
        const Band to = bandAt(t);
        const bool renormalise = ((other.count + crossed) & 7) == 7;
        const auto e = emission<Table>(h, to);
        if (h.forward) {
          L::template step<false, Table, true, true>(source, bandAt(t + 1), target, to, skip_, e,
                                                     renormalise, &crossing);
        } else {
          L::template step<true, Table, true, true>(source, bandAt(t - 1), target, to, skip_, e,
                                                    renormalise, &crossing);
        }
        source = target;
        group.frame[f] = t;
        group.band[f] = to;
        group.blank[f] = crossing.blankPosterior;
        group.norm[f] = 1 / crossing.total;
        if (group.count == W) flush(h);
      }
    }
    if (h.group.count > 0) flush(h);
  }

  // The kept rows of a block that inward() has overwritten since.
  template <int Table>
  void recompute(Half& h, int64_t b, int64_t begin, int64_t end) {
    const int64_t row = rowReals();
    const Real* source = h.checkpoints + b * row;
    for (int64_t j = begin; j < end; ++j) {
      lookAgain(h, frameAt(h, j), nullptr);
      advance<Table>(h, j, source, h.kept + (j - begin) * row);
      source = h.kept + (j - begin) * row;
    }
  }

  // Writes the gradient rows of the group's frames.
  void flush(Half& h) {
    using Gradient = GradientRows<S, E>;
    PosteriorGroup<S>& group = h.group;
    Gradient::occupancies(group, slots_, lanes_);
    const Real scale = static_cast<Real>(problem_.gradientScale);
    for (int32_t f = 0; f < group.count; ++f) {
      const int64_t t = group.frame[f];
      T* const out = static_cast<T*>(problem_.gradient) + t * problem_.gradientFrameStride;
      if (slots_.everyClass) {
        Gradient::writeFew(group, slots_, f, inverse_[t], scale, out);
        continue;
      }
      if (problem_.inputKind == Input::logits) {
        Row::softmax(rowAt(h, t), problem_.classes, reference_[t], inverse_[t] * scale,
                     group.scratch);
      } else if (!keepsZeros()) {
        Row::exponentials(rowAt(h, t), problem_.classes, scale, group.scratch);
      }
      Gradient::subtract(group, slots_, f, scale);
      Row::write(out, group.scratch, problem_.classes, problem_.streaming);
      if (keepsZeros()) Gradient::clear(group, slots_);
    }
    group.count = 0;
  }

  void copyRow(Real* to, const Real* from, Band band) const {
    const int64_t first = static_cast<int64_t>(band.first) * L::rowVector;
    const int64_t end = (static_cast<int64_t>(band.last) + 1) * L::rowVector;
    std::memcpy(to + first, from + first, static_cast<size_t>(end - first) * sizeof(Real));
  }

  bool keepsGradient() const { return problem_.gradient != nullptr; }
  bool keepsZeros() const {
    return problem_.inputKind == Input::logProbs && problem_.gradientOf == GradientOf::input;
  }

  const UtteranceProblem problem_;
  const int32_t lanes_;
  int32_t table_ = 0;  // vectors of the lookup table, 0: none
  Slots<Real> slots_;
  Real* skip_ = nullptr;       // [lanes] mask: label i may follow label i - 1 without a blank
  Real* reference_ = nullptr;  // [T] what was taken from each row before exp
  Real* inverse_ = nullptr;    // [T] 1 / sum of exp
  Half half_[2];
  Real pathExponent_ = 0;
};
