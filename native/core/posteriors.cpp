// Forward-backward in extended range: each probability is a float64 and an integral exponent of 2
// (kept as a float64 too, so it cannot overflow). Frames are scaled so that the largest class
// scores 1, which subtracts equal exact numbers from all states and so leaves posteriors as they
// are; what was taken away is put back only into losses, alpha and beta.
#include "ctc/posteriors.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "core/check.h"
#include "core/pool.h"
#include "core/rows.h"
#include "ctc/lattice.h"

namespace ctc {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double ln2 = 0.693147180559945309417;

// mantissa * 2^exponent; mantissa in [1, 2), or 0 with the exponent of `zero`.
struct Extended {
  double mantissa = 0;
  double exponent = -1e300;
};

// 2^d for integral d <= 0; 0 where that underflows.
double powerOfTwo(double d) {
  if (d < -1022) return 0;
  const uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(d) + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// Takes a normal mantissa back into [1, 2).
Extended normalised(double mantissa, double exponent) {
  if (mantissa == 0) return {};
  uint64_t bits;
  std::memcpy(&bits, &mantissa, sizeof bits);
  const auto shift = static_cast<int64_t>(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  return {mantissa, exponent + static_cast<double>(shift)};
}

Extended operator+(Extended a, Extended b) {
  const double exponent = std::max(a.exponent, b.exponent);
  return {a.mantissa * powerOfTwo(a.exponent - exponent) +
              b.mantissa * powerOfTwo(b.exponent - exponent),
          exponent};
}

Extended operator*(Extended a, Extended b) {
  return normalised(a.mantissa * b.mantissa, a.exponent + b.exponent);
}

Extended extendedExp(double x) {
  if (!(x > -1e290)) return {};  // its exponent would not be finite
  // ln 2 in two parts: k times the first is exact.
  const double k = std::nearbyint(x / ln2);
  const double rest = (x - k * 6.93147180369123816490e-1) - k * 1.90821492927058770002e-10;
  // Beyond 2^53 the rest is rounding noise of any size.
  return normalised(std::exp(std::max(-0.4, std::min(0.4, rest))), k);
}

double logOf(Extended a) {
  return a.mantissa == 0 ? -infinity : std::log(a.mantissa) + a.exponent * ln2;
}

// One utterance of a problem.
struct Lattice {
  const PosteriorProblem& problem;
  int64_t index;
  int64_t frames;
  int64_t labels;
  const int32_t* target;

  int64_t states() const { return stateCount(labels); }
  int32_t labelOf(int64_t state) const { return state % 2 ? target[state / 2] : problem.blank; }
  bool maySkipTo(int64_t state) const {
    return state % 2 && state > 1 && target[state / 2] != target[state / 2 - 1];
  }
};

// Scores of the blank (slot 0) and of the distinct labels, frame by frame, scaled.
struct Emissions {
  std::vector<int32_t> classes;  // [D], the blank first
  std::vector<int32_t> slots;    // [S]
  std::vector<Extended> scores;  // [frames][D]
  std::vector<double> taken;     // [frames] natural log of the factor that was taken away

  const Extended& at(int64_t frame, int64_t state) const {
    return scores[static_cast<size_t>(frame) * classes.size() +
                  static_cast<size_t>(slots[static_cast<size_t>(state)])];
  }
};

// False: a frame is nonfinite.
bool readEmissions(const Lattice& lattice, Emissions& emissions) {
  const PosteriorProblem& p = lattice.problem;
  std::vector<int32_t>& classes = emissions.classes;
  classes.assign(lattice.target, lattice.target + lattice.labels);
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  classes.insert(classes.begin(), p.blank);
  for (int64_t s = 0; s < lattice.states(); ++s) {
    const auto found = std::lower_bound(classes.begin() + 1, classes.end(), lattice.labelOf(s));
    emissions.slots.push_back(s % 2 ? static_cast<int32_t>(found - classes.begin()) : 0);
  }
  std::vector<double> row(static_cast<size_t>(p.input.classes));
  for (int64_t t = 0; t < lattice.frames; ++t) {
    double largest = 0;
    double norm = 0;
    if (p.inputKind == Input::logits) {
      readRow(p.input, t, lattice.index, row.data());
      largest = finiteMax(row.data(), p.input.classes);
      if (std::isnan(largest)) return false;
      norm = logSumOver(row.data(), p.input.classes, largest);
    }
    bool masked = p.inputKind == Input::logProbs;  // of logits, finiteMax() has looked at all
    for (const int32_t c : classes) {
      const double x = readElement(p.input, t, lattice.index, c);
      if (!(x < infinity)) return false;
      masked = masked && x == -infinity;
      emissions.scores.push_back(extendedExp(x - largest));
    }
    if (masked) return false;
    emissions.taken.push_back(-norm);
  }
  return true;
}

bool isCancelled(const PosteriorProblem& p) {
  return p.execution.cancelled && p.execution.cancelled->load(std::memory_order_relaxed);
}

// alpha[frame][state]; returns the target's probability, scaled.
Extended runForward(const Lattice& lattice, const Emissions& emissions, Extended* alpha) {
  const int64_t states = lattice.states();
  for (int64_t t = 0; t < lattice.frames; ++t) {
    if (t % 256 == 0 && isCancelled(lattice.problem)) return {};
    Extended* row = alpha + t * states;
    const Extended* before = row - states;
    for (int64_t s = 0; s < states; ++s) {
      Extended sum;
      if (t == 0) {
        if (s < 2) sum = {1, 0};
      } else {
        sum = before[s];
        if (s > 0) sum = sum + before[s - 1];
        if (lattice.maySkipTo(s)) sum = sum + before[s - 2];
      }
      row[s] = sum * emissions.at(t, s);
    }
  }
  if (lattice.frames == 0) return lattice.labels == 0 ? Extended{1, 0} : Extended{};
  const Extended* last = alpha + (lattice.frames - 1) * states;
  return states > 1 ? last[states - 1] + last[states - 2] : last[0];
}

// Divides products by their sum.
void normaliseRow(const std::vector<Extended>& products, double* row) {
  double exponent = -1e300;
  for (const Extended& x : products) exponent = std::max(exponent, x.exponent);
  double sum = 0;
  for (size_t s = 0; s < products.size(); ++s) {
    row[s] = products[s].mantissa * powerOfTwo(products[s].exponent - exponent);
    sum += row[s];
  }
  for (size_t s = 0; s < products.size(); ++s) row[s] /= sum;
}

void runBackward(const Lattice& lattice, const Emissions& emissions, const Extended* alpha) {
  const PosteriorProblem& p = lattice.problem;
  const int64_t states = lattice.states();
  const int64_t offset = p.matrixOffsets[lattice.index];
  const auto width = static_cast<size_t>(states);
  std::vector<Extended> beta(width), after(width), products(width);
  double takenAfter = 0;
  for (int64_t t = lattice.frames - 1; t >= 0; --t) {
    if (t % 256 == 0 && isCancelled(p)) return;
    const int64_t at = offset + t * states;
    for (int64_t s = 0; s < states; ++s) {
      Extended sum;
      if (t == lattice.frames - 1) {
        if (s >= states - 2) sum = {1, 0};
      } else {
        // `after` holds the next frame's beta times its scores.
        const Extended* next = after.data() + s;
        sum = next[0];
        if (s + 1 < states) sum = sum + next[1];
        if (s + 2 < states && lattice.maySkipTo(s + 2)) sum = sum + next[2];
      }
      beta[static_cast<size_t>(s)] = sum;
      products[static_cast<size_t>(s)] = sum * alpha[t * states + s];
    }
    normaliseRow(products, p.occupancy + at);
    for (int64_t s = 0; s < states; ++s) {
      const Extended b = beta[static_cast<size_t>(s)];
      if (p.beta) p.beta[at + s] = logOf(b) + takenAfter;
      after[static_cast<size_t>(s)] = b * emissions.at(t, s);
    }
    takenAfter += emissions.taken[static_cast<size_t>(t)];
  }
}

// A path is in states before s for as many frames as it takes to reach s, so the expected first
// frame of a state is the sum of all earlier states' occupancies.
void writeBoundaries(const Lattice& lattice, int64_t firstLabel) {
  const PosteriorProblem& p = lattice.problem;
  const int64_t states = lattice.states();
  const double* occupancy = p.occupancy + p.matrixOffsets[lattice.index];
  std::vector<double> frames(static_cast<size_t>(states), 0.0);
  for (int64_t t = 0; t < lattice.frames; ++t) {
    for (int64_t s = 0; s < states; ++s) {
      frames[static_cast<size_t>(s)] += occupancy[t * states + s];
    }
  }
  double reached = 0;
  for (int64_t s = 0; s < states; ++s) {
    if (s % 2) p.starts[firstLabel + s / 2] = reached;
    reached += frames[static_cast<size_t>(s)];
    if (s % 2) p.ends[firstLabel + s / 2] = reached;
  }
}

void writeAlpha(const Lattice& lattice, const Emissions& emissions, const Extended* alpha) {
  const int64_t states = lattice.states();
  double* out = lattice.problem.alpha + lattice.problem.matrixOffsets[lattice.index];
  double taken = 0;
  for (int64_t t = 0; t < lattice.frames; ++t) {
    taken += emissions.taken[static_cast<size_t>(t)];
    for (int64_t s = 0; s < states; ++s) {
      out[t * states + s] = logOf(alpha[t * states + s]) + taken;
    }
  }
}

void solve(const Lattice& lattice, int64_t firstLabel) {
  const PosteriorProblem& p = lattice.problem;
  const int64_t n = lattice.index;
  const int64_t cells = lattice.frames * lattice.states();
  const int64_t offset = p.matrixOffsets[n];
  std::fill_n(p.occupancy + offset, cells, 0.0);
  if (p.alpha) std::fill_n(p.alpha + offset, cells, -infinity);
  if (p.beta) std::fill_n(p.beta + offset, cells, -infinity);
  std::fill_n(p.starts + firstLabel, lattice.labels, 0.0);
  std::fill_n(p.ends + firstLabel, lattice.labels, 0.0);
  p.status[n] = Status::infeasible;
  p.losses[n] = infinity;

  if (framesNeeded(lattice.target, lattice.labels) > lattice.frames) return;
  Emissions emissions;
  if (!readEmissions(lattice, emissions)) {
    p.status[n] = Status::nonfinite;
    p.losses[n] = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  std::vector<Extended> alpha(static_cast<size_t>(cells));
  const Extended total = runForward(lattice, emissions, alpha.data());
  if (total.mantissa == 0) return;
  p.status[n] = Status::ok;
  double taken = 0;
  for (const double x : emissions.taken) taken += x;
  p.losses[n] = 0 - (logOf(total) + taken);  // 0, not -0, for a certain target
  if (p.alpha) writeAlpha(lattice, emissions, alpha.data());
  runBackward(lattice, emissions, alpha.data());
  writeBoundaries(lattice, firstLabel);
}

}  // namespace

Result posteriors(const PosteriorProblem& problem, int64_t* badUtterance) {
  const Targets& targets = problem.targets;
  if (!matricesFit(problem, badUtterance)) return Result::badArgument;
  std::atomic<bool> outOfMemory{false};
  parallelFor(problem.execution.threads, problem.input.utterances, [&](int64_t n, int) {
    if (outOfMemory || isCancelled(problem)) return;
    const int64_t first = targets.offsets[n];
    try {
      solve({problem, n, problem.inputLengths[n], targets.offsets[n + 1] - first,
             targets.labels + first},
            first);
    } catch (const std::bad_alloc&) {
      outOfMemory = true;
    }
  });
  if (outOfMemory) return Result::outOfMemory;
  return isCancelled(problem) ? Result::cancelled : Result::ok;
}

}  // namespace ctc
