// One utterance's loss and gradient: two recursions that meet in the middle, then cross each
// other's kept rows. Included inside a namespace and a target region; kernels.h tells the phases.
//
// A half keeps the rows of its last block of frames; of the blocks before it only the row in front,
// from which they are recomputed when the other recursion gets there.

template <class S, class E>
class Sweep final : public UtteranceKernel {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  using L = Lattice<S>;
  using Part = Half<S, E>;
  using Row = Rows<S, E>;
  using Emit = Emitter<S, E>;
  using Gradient = GradientRows<S, E>;
  static constexpr int W = S::W;
  static constexpr int64_t run = Emissions<S>::run;
  // Exponents are exact while they stay below 2^24 (2^53); emissions split exactly below 2^14.
  static constexpr Real exponentRange = sizeof(Real) == 8 ? Real(1e300) : Real(1 << 22);
  static constexpr Real frameRange = sizeof(Real) == 8 ? Real(1e300) : Real(1 << 14);

 public:
  Sweep(const UtteranceProblem& problem, Arena& arena) : u_(problem, arena) {}

  void inward(int half) override {
    withTable([&](auto table) { inwardWith<table.value>(&u_.half[half], nullptr); });
  }
  void inward() override {
    withTable([&](auto table) { inwardWith<table.value>(&u_.half[0], &u_.half[1]); });
  }
  void outward(int half) override {
    withTable([&](auto table) { outwardWith<table.value>(half, -1); });
  }
  void outward() override {
    withTable([&](auto table) { outwardWith<table.value>(0, 1); });
  }

  Meeting meet() override {
    Meeting meeting;
    const Part& head = u_.half[0];
    const Part& tail = u_.half[1];
    const Real lowest = std::min(head.lowest, tail.lowest);
    const bool exact =
        -lowest <= frameRange && -lowest * static_cast<Real>(u_.problem.frames) <= exponentRange;
    // A call that was cancelled on the way inward has no rows here; nobody looks at its results.
    const bool cancelled = u_.cancelled();
    if (cancelled || head.nonfinite || tail.nonfinite || !exact) {
      meeting.needsWide = sizeof(Real) == 4 && !cancelled;
      meeting.status = Status::nonfinite;
      meeting.loss = std::numeric_limits<double>::quiet_NaN();
      return meeting;
    }
    // Beta's step onto alpha's last frame, without that frame's emission, which alpha has.
    const int64_t last = head.count - 1;
    const typename L::Emission none{1, 0, nullptr, nullptr, nullptr, nullptr, nullptr};
    L::template step<false, 0, false, false>(tail.middle, u_.bandAt(last + 1), head.cross[0],
                                             u_.bandAt(last), u_.skip, none, false, nullptr);
    Real mantissa, exponent;
    L::dot(head.middle, head.cross[0], u_.bandAt(last), mantissa, exponent);
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

 private:
  // Calls body with the table's length as a constant.
  template <class Body>
  void withTable(Body body) {
    if constexpr (S::lookupVectors >= 4) {
      if (u_.table == 4) return body(std::integral_constant<int, 4>());
      if (u_.table == 2) return body(std::integral_constant<int, 2>());
    }
    body(std::integral_constant<int, 0>());
  }

  // A half's own recursion, on its way to the middle.
  struct Inward {
    Part* h = nullptr;
    int64_t j = 0;
    int64_t k = 0;  // j's place in its block
    const Real* source = nullptr;
    Band from{0, 0};
    double product = 1;  // of the rows' sums: one logarithm for many frames
    V lowest;
  };

  // What is known of the input's rows, so that a loop over frames has but one kind's code.
  enum class Kind { fewClasses, manyClasses, logProbs };

  // First sight of frame t: its reference and norm, and its emissions; of many classes the gradient
  // too, but for the posteriors.
  template <Kind Of>
  CTC_INLINE void lookFirst(Inward& c, int64_t t, int64_t next, int64_t entry) {
    Part& h = *c.h;
    const T* const row = u_.rowAt(h, t);
    const int64_t classes = u_.problem.classes;
    const auto inputs = Emit::inputs(row, u_.slots, h.emissions.inputs);
    Real ref;
    double sum = 1;
    if (Of == Kind::manyClasses) {
      ref = Row::maximum(row, classes);
      sum = Row::sumExp(row, classes, ref, h.group.scratch, u_.rowStart(next));
    } else {
      ref = Emit::maximum(inputs);
    }
    if (Of == Kind::logProbs) {
      const bool masked = ref == -Row::inf;
      if (masked || !Emit::allBelowInfinity(inputs)) h.nonfinite = true;
      if (masked) ref = 0;
      h.logNorm -= static_cast<double>(ref);
    }
    const double all =
        Emit::template split<true>(inputs, ref, u_.reach(), h.emissions, entry, &c.lowest);
    if (Of == Kind::fewClasses) sum = all;
    if (u_.reference != nullptr) u_.reference[t] = ref;
    // The maximum alone contributes 1: less, or NaN, means that there is none.
    if (!(sum >= 1 && sum < std::numeric_limits<double>::infinity())) {
      h.nonfinite = true;
      sum = 1;
    }
    const Real inverse = static_cast<Real>(1 / sum);
    if (u_.inverse != nullptr) u_.inverse[t] = inverse;
    if (Of == Kind::manyClasses && u_.gradient()) {
      Row::write(u_.gradientRow(t), h.group.scratch, classes,
                 inverse * static_cast<Real>(u_.problem.gradientScale), u_.problem.streaming);
    }
    c.product *= sum;  // each in [1, C]
    if (c.product > 1e200) {
      h.logNorm += std::log(c.product);
      c.product = 1;
    }
  }

  // The same of the next `count` frames.
  template <Kind Of>
  void lookAheadAt(Inward& c, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t t = u_.frameAt(*c.h, c.j + i);
      lookFirst<Of>(c, t, c.h->forward ? t + 1 : t - 1, c.k + i);
    }
  }
  void lookAhead(Inward& c, int64_t count) {
    if (u_.slots.everyClass) return lookAheadAt<Kind::fewClasses>(c, count);
    if (u_.logits()) return lookAheadAt<Kind::manyClasses>(c, count);
    lookAheadAt<Kind::logProbs>(c, count);
  }

  // Emissions of `count` frames from j on, whose references are known, into the entries from k on.
  void lookAgain(Part& h, int64_t j, int64_t count, int64_t k) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t t = u_.frameAt(h, j + i);
      const auto inputs = Emit::inputs(u_.rowAt(h, t), u_.slots, h.emissions.inputs);
      Emit::template split<false>(inputs, u_.reference[t], u_.reach(), h.emissions, k + i, nullptr);
    }
  }

  // One frame of a half's own recursion, emission and target being those of place k in the block.
  template <int Table>
  CTC_INLINE void advance(Part& h, int64_t j, int64_t k, const Real* source, Band from,
                          Real* target, Band to) {
    const auto emission = Emit::template at<Table>(u_.slots, h.emissions, k, to);
    const bool renormalise = (j & 7) == 7;
    if (h.forward) {
      L::template step<true, Table, false, true>(source, from, target, to, u_.skip, emission,
                                                 renormalise, nullptr);
    } else {
      L::template step<false, Table, false, true>(source, from, target, to, u_.skip, emission,
                                                  renormalise, nullptr);
    }
  }

  template <int Table>
  CTC_INLINE void stepInward(Inward& c, int64_t i) {
    Part& h = *c.h;
    const int64_t j = c.j + i;
    const int64_t k = c.k + i;
    if (k == 0 && j > 0 && u_.gradient()) {
      u_.copyRow(h.checkpoints + j / h.blockFrames * u_.row(), c.source, c.from);
    }
    const Band to = u_.bandAt(u_.frameAt(h, j));
    Real* const target = h.kept + (u_.gradient() ? k : j & 1) * u_.row();
    advance<Table>(h, j, k, c.source, c.from, target, to);
    c.source = target;
    c.from = to;
  }

  // One half, or both in turn: two chains of dependent steps hide each other's latency.
  template <int Table>
  void inwardWith(Part* one, Part* two) {
    Inward cursors[2];
    const int count = two == nullptr ? 1 : 2;
    for (int c = 0; c < count; ++c) {
      cursors[c].h = c == 0 ? one : two;
      cursors[c].lowest = S::set(Real(0));
      Part& h = *cursors[c].h;
      u_.startRow(h.forward, h.checkpoints);
      cursors[c].source = h.checkpoints;
      cursors[c].from = u_.bandAt(h.forward ? -1 : u_.problem.frames);
    }
    for (bool left = true; left && !u_.cancelled();) {
      left = false;
      int64_t ready[2] = {0, 0};
      for (int c = 0; c < count; ++c) {
        Inward& cursor = cursors[c];
        const Part& h = *cursor.h;
        ready[c] = std::min({run, h.count - cursor.j, h.blockFrames - cursor.k});
        lookAhead(cursor, ready[c]);
        left = left || cursor.j + ready[c] < h.count;
      }
      for (int64_t i = 0; i < run; ++i) {
        if (i < ready[0]) stepInward<Table>(cursors[0], i);
        if (i < ready[1]) stepInward<Table>(cursors[1], i);
      }
      for (int c = 0; c < count; ++c) {
        cursors[c].j += ready[c];
        cursors[c].k += ready[c];
        if (cursors[c].k == cursors[c].h->blockFrames) cursors[c].k = 0;
      }
    }
    for (int c = 0; c < count; ++c) {
      Part& h = *cursors[c].h;
      u_.copyRow(h.middle, cursors[c].source, cursors[c].from);
      h.logNorm += std::log(cursors[c].product);
      h.lowest = S::minOf(cursors[c].lowest);
    }
  }

  // The other half's recursion, on its way out through this half's frames.
  struct Outward {
    Part* h = nullptr;
    int64_t left = 0;     // frames not yet crossed
    int64_t begin = 0;    // first frame (as j) of the block at hand
    int64_t crossed = 0;  // frames that the recursion has passed since the middle
    int64_t before = 0;   // and before it
    const Real* source = nullptr;
    Band from{0, 0};
    typename L::Crossing crossing{};
  };

  // The kept rows and emissions of a block that inward() has overwritten since.
  template <int Table>
  void recompute(Part& h, int64_t begin, int64_t end) {
    const Real* source = h.checkpoints + begin / h.blockFrames * u_.row();
    Band from = u_.bandAt(h.forward ? begin - 1 : u_.problem.frames - begin);
    for (int64_t j = begin; j < end;) {
      const int64_t ready = std::min(run, end - j);
      lookAgain(h, j, ready, j - begin);
      for (int64_t i = 0; i < ready; ++i, ++j) {
        const int64_t k = j - begin;
        Real* const target = h.kept + k * u_.row();
        const Band to = u_.bandAt(u_.frameAt(h, j));
        advance<Table>(h, j, k, source, from, target, to);
        source = target;
        from = to;
      }
    }
  }

  // Sees to it that the next frames to cross are kept and that the group has room for them; how
  // many they are.
  template <int Table>
  int64_t prepare(Outward& c) {
    if (c.left == 0) return 0;
    Part& h = *c.h;
    if (c.left == c.begin) {
      if (h.group.count > 0) flush(h);
      c.begin -= h.blockFrames;
      recompute<Table>(h, c.begin, c.left);
    }
    return std::min({run, c.left - c.begin, int64_t{W - h.group.count}});
  }

  template <int Table>
  CTC_INLINE void stepOutward(Outward& c) {
    Part& h = *c.h;
    const int64_t j = --c.left;
    const int64_t k = j - c.begin;
    const int64_t t = u_.frameAt(h, j);
    const int32_t f = h.group.count++;
    const Band to = u_.bandAt(t);
    Real* const target = h.cross[c.crossed & 1];
    const bool renormalise = ((c.before + c.crossed) & 7) == 7;
    c.crossing.kept = h.kept + k * u_.row();
    c.crossing.labelPosterior = h.group.posterior + int64_t{f} * u_.lanes;
    const auto emission = Emit::template at<Table>(u_.slots, h.emissions, k, to);
    if (h.forward) {
      L::template step<false, Table, true, true>(c.source, c.from, target, to, u_.skip, emission,
                                                 renormalise, &c.crossing);
    } else {
      L::template step<true, Table, true, true>(c.source, c.from, target, to, u_.skip, emission,
                                                renormalise, &c.crossing);
    }
    ++c.crossed;
    c.source = target;
    c.from = to;
    h.group.frame[f] = t;
    h.group.entry[f] = k;
    h.group.band[f] = to;
    h.group.blank[f] = c.crossing.blankPosterior;
    h.group.norm[f] = 1 / c.crossing.total;
  }

  template <int Table>
  void outwardWith(int one, int two) {
    Outward cursors[2];
    const int count = two < 0 ? 1 : 2;
    for (int c = 0; c < count; ++c) {
      const int half = c == 0 ? one : two;
      Outward& cursor = cursors[c];
      Part& h = u_.half[half];
      const Part& other = u_.half[1 - half];
      cursor.h = &h;
      cursor.left = h.count;
      cursor.begin = (h.blocks - 1) * h.blockFrames;
      cursor.before = other.count;
      cursor.source = other.middle;
      cursor.from = u_.bandAt(h.forward ? h.count : other.count - 1);
      cursor.crossing.pathExponent = pathExponent_;
      h.group.count = 0;
    }
    while ((cursors[0].left > 0 || cursors[1].left > 0) && !u_.cancelled()) {
      const int64_t ready[2] = {prepare<Table>(cursors[0]), prepare<Table>(cursors[1])};
      for (int64_t i = 0; i < run; ++i) {
        if (i < ready[0]) stepOutward<Table>(cursors[0]);
        if (i < ready[1]) stepOutward<Table>(cursors[1]);
      }
      for (int c = 0; c < count; ++c) {
        Part& h = *cursors[c].h;
        if (h.group.count == W || (cursors[c].left == 0 && h.group.count > 0)) flush(h);
      }
    }
  }

  // Writes the gradient rows of the group's frames, or what is still missing of them.
  void flush(Part& h) {
    PosteriorGroup<S>& group = h.group;
    const UtteranceProblem& p = u_.problem;
    if (u_.early()) {
      for (int32_t f = 0; f < group.count; ++f) {
        const T* const out = u_.gradientRow(group.frame[f]);
        for (int32_t k = 0; k < u_.slots.count; ++k) CTC_PREFETCH(out + u_.slots.classOf[k]);
      }
    }
    Gradient::occupancies(group, u_.slots, u_.lanes);
    const Real scale = static_cast<Real>(p.gradientScale);
    for (int32_t f = 0; f < group.count; ++f) {
      const int64_t t = group.frame[f];
      T* const out = u_.gradientRow(t);
      if (u_.slots.everyClass) {
        Gradient::writeFew(group, h.emissions, u_.slots, f, u_.inverse[t], scale, out);
      } else if (u_.logits()) {
        Gradient::writeSlots(group, h.emissions, u_.slots, f, u_.inverse[t], scale, out);
      } else {
        if (!u_.sparse()) Row::exponentials(u_.rowAt(h, t), p.classes, scale, group.scratch);
        Gradient::subtract(group, u_.slots, f, scale);
        Row::write(out, group.scratch, p.classes, Real(1), p.streaming);
        if (u_.sparse()) Gradient::clear(group, u_.slots);
      }
    }
    group.count = 0;
  }

  Utterance<S, E> u_;
  Real pathExponent_ = 0;
};
