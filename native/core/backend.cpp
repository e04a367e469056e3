#include "ctc/backend.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/backend_library.h"
#include "core/check.h"

namespace ctc {
namespace {

constexpr auto badArgument = static_cast<int32_t>(Result::badArgument);

std::atomic<const Backend*> found{nullptr};

void open(const char* path, OpenedBackend* opened) {
  char problem[384] = {};
  void* const function = findInLibrary(path, backendEntryName, problem, sizeof problem);
  if (function == nullptr) {
    std::snprintf(opened->reason, sizeof opened->reason, "%s", problem);
    return;
  }
  const Backend* const backend = reinterpret_cast<BackendEntry>(function)(backendAbi);
  if (backend == nullptr || backend->abi != backendAbi ||
      backend->structBytes != backendStructBytes) {
    std::snprintf(opened->reason, sizeof opened->reason,
                  "%.384s was built for another version of node-ctc: build it again", path);
    return;
  }
  opened->backend = backend;
  found = backend;
}

}  // namespace

const OpenedBackend& openBackend(const char* path) {
  static const OpenedBackend opened = [path] {
    OpenedBackend fresh;
    open(path, &fresh);
    return fresh;
  }();
  return opened;
}

const Backend* openedBackend() { return found; }

int32_t lossOnDevice(int32_t device, const LossProblem& problem, Placement placement) {
  const Backend* const backend = openedBackend();
  if (backend == nullptr || !targetsInRange(problem.input, problem.targets, problem.inputLengths,
                                            problem.blank, nullptr)) {
    return badArgument;
  }
  return backend->loss(device, &problem, placement);
}

int32_t alignOnDevice(int32_t device, const AlignProblem& problem, Placement placement) {
  const Backend* const backend = openedBackend();
  if (backend == nullptr || !alignable(problem, nullptr)) return badArgument;
  return backend->align(device, &problem, placement);
}

int32_t posteriorsOnDevice(int32_t device, const PosteriorProblem& problem, Placement placement) {
  const Backend* const backend = openedBackend();
  if (backend == nullptr || !matricesFit(problem, nullptr)) return badArgument;
  return backend->posteriors(device, &problem, placement);
}

int32_t greedyOnDevice(int32_t device, const GreedyProblem& problem, Placement placement) {
  const Backend* const backend = openedBackend();
  const Tensor& in = problem.input;
  if (backend == nullptr || !lengthsInRange(in, problem.inputLengths, problem.blank, nullptr)) {
    return badArgument;
  }
  try {
    const auto utterances = static_cast<size_t>(in.utterances);
    const auto cells = utterances * static_cast<size_t>(in.frames);
    std::vector<Status> status(utterances);
    std::vector<int64_t> counts(utterances), blankFrames(utterances);
    std::vector<double> logProbs(utterances);
    const std::unique_ptr<int32_t[]> numbers(new int32_t[3 * cells]);
    const std::unique_ptr<double[]> confidences(new double[cells]);
    DeviceGreedy plain = {};
    plain.input = in;
    plain.inputLengths = problem.inputLengths;
    plain.blank = problem.blank;
    plain.inputKind = problem.inputKind;
    plain.mergeRepeated = problem.mergeRepeated ? 1 : 0;
    plain.status = status.data();
    plain.counts = counts.data();
    plain.blankFrames = blankFrames.data();
    plain.logProbs = logProbs.data();
    plain.labels = numbers.get();
    plain.starts = numbers.get() + cells;
    plain.ends = numbers.get() + 2 * cells;
    plain.confidences = confidences.get();
    plain.execution = problem.execution;
    const int32_t code = backend->greedy(device, &plain, placement);
    for (size_t n = 0; n < utterances && code == static_cast<int32_t>(Result::ok); ++n) {
      Decoded& decoded = problem.decoded[n];
      decoded.status = status[n];
      decoded.blankFrames = blankFrames[n];
      decoded.paths.clear();
      if (status[n] != Status::ok) continue;
      const size_t from = n * static_cast<size_t>(in.frames);
      const size_t to = from + static_cast<size_t>(counts[n]);
      DecodedPath path;
      path.score = path.logProb = logProbs[n];
      path.labels.assign(plain.labels + from, plain.labels + to);
      path.starts.assign(plain.starts + from, plain.starts + to);
      path.ends.assign(plain.ends + from, plain.ends + to);
      path.confidences.assign(plain.confidences + from, plain.confidences + to);
      decoded.paths.push_back(std::move(path));
    }
    return code;
  } catch (const std::bad_alloc&) {
    return static_cast<int32_t>(Result::outOfMemory);
  }
}

}  // namespace ctc
