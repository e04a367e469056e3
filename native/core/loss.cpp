#include "ctc/loss.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "core/after_loss.h"
#include "core/check.h"
#include "core/pool.h"
#include "cpu/arena.h"
#include "cpu/dispatch.h"
#include "cpu/kernels.h"
#include "ctc/lattice.h"

namespace ctc {
namespace {

// What a thread keeps between calls; more is given back.
constexpr size_t keptArenaBytes = size_t{16} << 20;

// A gradient beyond this won't be found in the caches by whoever reads it next.
constexpr double streamingBytes = 8 << 20;

// The narrow kernels scale gradients in float32.
constexpr double narrowScale = 1e30;

Arena& threadArena() {
  static thread_local Arena arena;
  return arena;
}

UtteranceKernel* place(const UtteranceProblem& problem, bool wide, Arena& arena) {
  const Kernels& kernels = activeKernels();
  arena.startCounting();
  kernels.make(problem, wide, arena);
  arena.reserve(arena.stopCounting());
  return kernels.make(problem, wide, arena);
}

class Batch {
 public:
  Batch(const LossProblem& problem, AfterLoss* after) : problem_(problem), after_(after) {}

  Result run() {
    std::vector<int64_t> whole;
    std::vector<Split> splits;
    plan(whole, splits);

    const int64_t halves = 2 * static_cast<int64_t>(splits.size());
    const int threads = problem_.execution.threads;
    const auto first = [&](int64_t task, int) {
      guarded([&] {
        if (task < halves) {
          Split& s = splits[static_cast<size_t>(task / 2)];
          s.kernel->inward(static_cast<int>(task % 2));
        } else {
          const int64_t n = whole[static_cast<size_t>(task - halves)];
          runWhole(n);
          if (after_ != nullptr) after_->run(n);
        }
      });
    };
    parallelFor(threads, halves + static_cast<int64_t>(whole.size()), first);
    if (halves > 0 && !failed_) {
      for (Split& s : splits) s.meeting = s.kernel->meet();
      const auto second = [&](int64_t task, int) {
        guarded([&] {
          if (task < halves) {
            finishSplit(splits[static_cast<size_t>(task / 2)], task % 2);
          } else {
            after_->run(splits[static_cast<size_t>(task - halves)].utterance);
          }
        });
      };
      parallelFor(threads, halves + (after_ == nullptr ? 0 : halves / 2), second);
    }
    if (failed_) return Result::outOfMemory;
    if (cancelled()) return Result::cancelled;
    return Result::ok;
  }

 private:
  // An utterance whose halves go to two threads.
  struct Split {
    int64_t utterance = 0;
    std::unique_ptr<Arena> arena;
    UtteranceKernel* kernel = nullptr;
    Meeting meeting;
  };

  bool cancelled() const {
    const std::atomic<bool>* flag = problem_.execution.cancelled;
    return flag != nullptr && flag->load(std::memory_order_relaxed);
  }

  template <class Body>
  void guarded(Body body) {
    if (failed_ || cancelled()) return;
    try {
      body();
    } catch (const std::bad_alloc&) {
      failed_ = true;
    }
  }

  int64_t labelCount(int64_t n) const {
    return problem_.targets.offsets[n + 1] - problem_.targets.offsets[n];
  }
  const int32_t* labels(int64_t n) const {
    return problem_.targets.labels + problem_.targets.offsets[n];
  }

  // Too few frames, or none at all: nothing is computed.
  bool trivial(int64_t n) const {
    const int64_t frames = problem_.inputLengths[n];
    return frames == 0 || framesNeeded(labels(n), labelCount(n)) > frames;
  }

  // Long utterances go first. One that would keep a thread busy past its share is halved.
  void plan(std::vector<int64_t>& whole, std::vector<Split>& splits) {
    const int64_t count = problem_.input.utterances;
    const int threads = problem_.execution.threads;
    whole.reserve(static_cast<size_t>(count));
    if (threads <= 1) {
      for (int64_t n = 0; n < count; ++n) whole.push_back(n);
      return;
    }
    std::vector<double> cost(static_cast<size_t>(count));
    double total = 0;
    for (int64_t n = 0; n < count; ++n) {
      cost[static_cast<size_t>(n)] = static_cast<double>(problem_.inputLengths[n]) *
                                     (static_cast<double>(problem_.input.classes) +
                                      4.0 * static_cast<double>(labelCount(n)) + 50);
      total += cost[static_cast<size_t>(n)];
    }
    const double share = total / threads;
    constexpr double worthwhile = 2e4;  // below this, waking a thread costs more
    for (int64_t n = 0; n < count; ++n) {
      const double c = cost[static_cast<size_t>(n)];
      if (c > 0.6 * share && c > worthwhile && !trivial(n)) {
        Split s;
        s.utterance = n;
        s.arena = std::make_unique<Arena>();
        s.kernel = place(utterance(n), startsWide(n), *s.arena);
        splits.push_back(std::move(s));
      } else {
        whole.push_back(n);
      }
    }
    std::stable_sort(whole.begin(), whole.end(), [&](int64_t a, int64_t b) {
      return cost[static_cast<size_t>(a)] > cost[static_cast<size_t>(b)];
    });
  }

  UtteranceProblem utterance(int64_t n) const {
    const Tensor& in = problem_.input;
    UtteranceProblem u;
    const int64_t size = static_cast<int64_t>(bytesOf(in.dtype));
    u.data = static_cast<const char*>(in.data) + n * in.utteranceStride * size;
    u.dtype = in.dtype;
    u.frames = problem_.inputLengths[n];
    u.classes = in.classes;
    u.frameStride = in.frameStride;
    u.classStride = in.classStride;
    u.labels = labels(n);
    u.labelCount = static_cast<int32_t>(labelCount(n));
    u.blank = problem_.blank;
    u.inputKind = problem_.inputKind;
    u.gradientOf = problem_.gradientOf;
    u.gradientScale = scale(n);
    u.gradient = gradientRow(n, 0);
    u.gradientFrameStride = problem_.gradient.frameStride;
    // In floating point: with strides of 0 a small input may have any shape.
    u.streaming = static_cast<double>(in.frames) * static_cast<double>(in.utterances) *
                      static_cast<double>(in.classes * size) >
                  streamingBytes;
    u.cancelled = problem_.execution.cancelled;
    return u;
  }

  double scale(int64_t n) const {
    return problem_.gradientScale == nullptr ? 1.0 : problem_.gradientScale[n];
  }
  bool startsWide(int64_t n) const {
    const double s = scale(n) < 0 ? -scale(n) : scale(n);
    return problem_.gradient.data != nullptr &&
           (s > narrowScale || (s != 0 && s < 1 / narrowScale));
  }

  void* gradientRow(int64_t n, int64_t frame) const {
    if (problem_.gradient.data == nullptr) return nullptr;
    const int64_t size = static_cast<int64_t>(bytesOf(problem_.input.dtype));
    return static_cast<char*>(problem_.gradient.data) +
           (n * problem_.gradient.utteranceStride + frame * problem_.gradient.frameStride) * size;
  }

  // Nothing times 0 is 0, Infinity too: log-probabilities of any size have such exponentials.
  bool wantsGradient(int64_t n) const { return problem_.gradient.data != nullptr && scale(n) != 0; }

  void zeroRows(int64_t n, int64_t from, int64_t to) const {
    if (problem_.gradient.data == nullptr) return;
    const size_t bytes =
        static_cast<size_t>(problem_.input.classes) * bytesOf(problem_.input.dtype);
    for (int64_t t = from; t < to; ++t) std::memset(gradientRow(n, t), 0, bytes);
  }

  void finish(int64_t n, Status status, double loss) const {
    problem_.status[n] = status;
    problem_.losses[n] = loss;
    const bool written = status == Status::ok && wantsGradient(n);
    zeroRows(n, written ? problem_.inputLengths[n] : 0, problem_.input.frames);
  }

  void runWhole(int64_t n) {
    if (trivial(n)) {
      const bool empty = labelCount(n) == 0;
      finish(n, empty ? Status::ok : Status::infeasible,
             empty ? 0.0 : std::numeric_limits<double>::infinity());
      return;
    }
    Meeting meeting = attempt(n, startsWide(n));
    if (meeting.needsWide) meeting = attempt(n, true);
    finish(n, meeting.status, meeting.loss);
  }

  Meeting attempt(int64_t n, bool wide) {
    Arena& arena = threadArena();
    arena.rewind();
    UtteranceKernel* const kernel = place(utterance(n), wide, arena);
    kernel->inward();
    const Meeting meeting = kernel->meet();
    if (meeting.status == Status::ok && wantsGradient(n) && !cancelled()) {
      kernel->outward();
    }
    arena.shrink(keptArenaBytes);
    return meeting;
  }

  void finishSplit(Split& s, int64_t half) {
    if (s.meeting.needsWide) {
      if (half == 0) runWhole(s.utterance);
      return;
    }
    if (s.meeting.status == Status::ok && wantsGradient(s.utterance)) {
      s.kernel->outward(static_cast<int>(half));
    }
    if (half == 0) finish(s.utterance, s.meeting.status, s.meeting.loss);
  }

  const LossProblem& problem_;
  AfterLoss* const after_;
  std::atomic<bool> failed_{false};
};

}  // namespace

Result lossAnd(const LossProblem& problem, AfterLoss* after, int64_t* badUtterance) {
  if (!targetsInRange(problem.input, problem.targets, problem.inputLengths, problem.blank,
                      badUtterance)) {
    return Result::badArgument;
  }
  try {
    return Batch(problem, after).run();
  } catch (const std::bad_alloc&) {
    return Result::outOfMemory;
  }
}

Result loss(const LossProblem& problem, int64_t* badUtterance) {
  return lossAnd(problem, nullptr, badUtterance);
}

int64_t workspaceBytes(int64_t frames, int64_t labels, int64_t classes, DType dtype,
                       bool gradient) {
  UtteranceProblem u;
  u.dtype = dtype;
  u.frames = frames;
  u.labelCount = static_cast<int32_t>(labels);
  u.classes = classes;
  u.classStride = 2;  // rows that have to be gathered take most
  char some;
  u.gradient = gradient ? &some : nullptr;
  size_t most = 0;
  for (const bool wide : {false, true}) {
    Arena arena;
    arena.startCounting();
    activeKernels().make(u, wide, arena);
    most = std::max(most, arena.stopCounting());
  }
  return static_cast<int64_t>(most);
}

}  // namespace ctc
