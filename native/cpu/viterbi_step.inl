// The body of viterbi.h for one instruction set: F64 is its vector of doubles.

inline void sweep(const SweepStep& step) {
  using V = F64::V;
  constexpr int W = F64::W;
  const V blankScore = F64::set(step.blankScore);
  V before = F64::set(step.left);
  // Gathered in a loop of its own: a vector load straight after the narrow stores it covers stalls.
  for (int64_t i = 0; i < step.count; ++i) step.gathered[i] = step.classScores[step.slot[i]];
  for (int64_t i = 0; i < step.count; i += W) {
    const V blank = F64::load(step.blank + i);
    const V label = F64::load(step.label + i);
    const V previous = F64::shiftUp(before, label);
    before = label;
    const V stay = F64::max(label, blank);
    const V skip = F64::add(previous, F64::load(step.skip + i));
    F64::store(step.nextBlank + i, F64::add(F64::max(blank, previous), blankScore));
    F64::store(step.nextLabel + i, F64::add(F64::max(stay, skip), F64::load(step.gathered + i)));
  }
}
