// From lattice posteriors to gradient rows, W frames at a time. Included inside a namespace and a
// target region.
//
//   d loss / d logits[t][c]   = softmax[t][c] - occupancy[t][c]
//   d loss / d logProbs[t][c] = -occupancy[t][c], or exp(logProb) - occupancy as PyTorch has it
//
// occupancy[t][c] is the sum of the posteriors of the states that emit class c. A label may stand
// in many lanes: with frames in lanes (the posteriors transposed) each lane's column is added to
// its slot's as one vector, without conflicts and in a fixed order.

// Frames whose posteriors are known and whose gradient rows are not written yet.
template <class S>
struct PosteriorGroup {
  using Real = typename S::Real;
  int32_t count = 0;
  int64_t frame[S::W];
  int64_t entry[S::W];  // of the emissions
  Band band[S::W];
  Real blank[S::W];           // posterior of all blanks, not yet normalised
  Real norm[S::W];            // 1 / sum over the frame's states
  Real* posterior = nullptr;  // [W frames][lanes], valid inside each frame's band
  Real* occupancy = nullptr;  // [slots.padded][W]; after transposing, tiles of [W frames][W slots]
  Real* scratch = nullptr;    // [C, whole vectors]; all 0 between frames where rows are sparse
};

template <class S, class E>
struct GradientRows {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  using Row = Rows<S, E>;
  static constexpr int W = S::W;

  static void occupancies(PosteriorGroup<S>& group, const Slots<Real>& slots, int32_t lanes) {
    const V zero = S::set(Real(0));
    for (int32_t k = 0; k < slots.end; ++k) S::store(group.occupancy + k * W, zero);
    Band all = group.band[0];
    for (int32_t f = 1; f < group.count; ++f) {
      all.first = std::min(all.first, group.band[f].first);
      all.last = std::max(all.last, group.band[f].last);
    }
    for (int32_t v = all.first; v <= all.last; ++v) {
      V tile[W];
      for (int32_t f = 0; f < W; ++f) {
        const bool inside = f < group.count && v >= group.band[f].first && v <= group.band[f].last;
        tile[f] = inside ? S::load(group.posterior + int64_t{f} * lanes + v * W) : zero;
      }
      S::transpose(tile);
      const int32_t* slot = slots.ofLane + v * W;
      for (int32_t i = 0; i < W; ++i) {
        Real* const column = group.occupancy + slot[i] * W;
        S::store(column, S::add(S::load(column), tile[i]));
      }
    }
    for (int32_t f = group.count; f < W; ++f) group.blank[f] = 0;
    Real* const column = group.occupancy + slots.blank * W;
    S::store(column, S::add(S::load(column), S::load(group.blank)));
    for (int32_t k = 0; k < slots.end; k += W) {
      V tile[W];
      for (int32_t i = 0; i < W; ++i) tile[i] = S::load(group.occupancy + (k + i) * W);
      S::transpose(tile);
      for (int32_t i = 0; i < W; ++i) S::store(group.occupancy + (k + i) * W, tile[i]);
    }
  }

  // Gradient of logits at the slots k .. k + W - 1 of a frame of the group.
  struct AtSlots {
    const Real* tableM;
    const Real* tableE;
    const Real* occupancy;  // [slots, W of each W * W]
    V y, p;

    CTC_INLINE AtSlots(const PosteriorGroup<S>& group, const Emissions<S>& emissions, int32_t f,
                       Real inverse, Real scale)
        : tableM(emissions.mantissas(group.entry[f])),
          tableE(emissions.exponents(group.entry[f])),
          occupancy(group.occupancy + f * W),
          y(S::set(inverse * scale)),
          p(S::set(group.norm[f] * scale)) {}
    CTC_INLINE V at(int32_t k) const {
      const V softmax = S::scale(S::load(tableM + k), S::load(tableE + k));
      return S::negMulAdd(S::load(occupancy + int64_t{k} * W), p, S::mul(softmax, y));
    }
  };

  // Where slots are classes: the whole row.
  static void writeFew(const PosteriorGroup<S>& group, const Emissions<S>& emissions,
                       const Slots<Real>& slots, int32_t f, Real inverse, Real scale, T* out) {
    const AtSlots gradient(group, emissions, f, inverse, scale);
    int32_t k = 0;
    for (; k + W <= slots.count; k += W) E::store(out + k, gradient.at(k));
    if (k < slots.count) E::storePartial(out + k, gradient.at(k), slots.count - k);
  }

  // Where slots are few of many classes and the others have been written already.
  static void writeSlots(const PosteriorGroup<S>& group, const Emissions<S>& emissions,
                         const Slots<Real>& slots, int32_t f, Real inverse, Real scale, T* out) {
    const AtSlots gradient(group, emissions, f, inverse, scale);
    // The first slot of a class comes last: it has the posteriors.
    for (int32_t k = slots.end - W; k >= 0; k -= W) {
      T some[W];
      E::store(some, gradient.at(k));
      for (int32_t i = std::min(W, slots.count - k) - 1; i >= 0; --i) {
        out[slots.classOf[k + i]] = some[i];
      }
    }
  }

  // Log-probabilities: the scratch row holds what the posteriors are taken from.
  static void subtract(const PosteriorGroup<S>& group, const Slots<Real>& slots, int32_t f,
                       Real scale) {
    const Real p = group.norm[f] * scale;
    for (int32_t k = 0; k < slots.count; ++k) {
      group.scratch[slots.classOf[k]] -= group.occupancy[(k / W * W + f) * W + k % W] * p;
    }
  }
  static void clear(const PosteriorGroup<S>& group, const Slots<Real>& slots) {
    for (int32_t k = 0; k < slots.count; ++k) group.scratch[slots.classOf[k]] = 0;
  }
};
