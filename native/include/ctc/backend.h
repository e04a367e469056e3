// The C ABI between the core and a backend: a shared library that computes on a device. It exports
// one C function, ctc_backend, and is opened by absolute path when a device is first asked for.
// Only pointers, numbers and the plain structs of this folder cross; nothing throws.
#pragma once

#include <cstdint>

#include "ctc/align.h"
#include "ctc/decode.h"
#include "ctc/loss.h"
#include "ctc/posteriors.h"

namespace ctc {

// Counts changes of anything in this file, or of a struct that it passes on.
constexpr int32_t backendAbi = 2;

// What a backend answers: a ctc::Result, or a failure of the device, which is this plus the number
// that the device's own interface has for it.
constexpr int32_t deviceFailure = 1000;

struct BackendDevice {
  char name[128];
  char reason[256];  // why it cannot be used; empty when it can
  int64_t memoryBytes;
  int32_t major, minor;  // compute capability
};

// Where the arrays of a call lie. Host memory may be pinned or not; a backend finds out itself.
struct Placement {
  int32_t inputOnDevice;
  int32_t gradientOnDevice;
};

// GreedyProblem in plain arrays. Utterance n has counts[n] labels; what is told of them lies from
// n * T on. Where it is nonfinite it has none.
struct DeviceGreedy {
  Tensor input;
  const int64_t* inputLengths;  // [N], each in [0, T]
  int32_t blank;
  Input inputKind;
  int32_t mergeRepeated;
  Status* status;        // (out) [N]
  int64_t* counts;       // (out) [N]
  int64_t* blankFrames;  // (out) [N]
  double* logProbs;      // (out) [N]
  int32_t* labels;       // (out) N x T
  int32_t* starts;       // (out) N x T first frames
  int32_t* ends;         // (out) N x T frames after the last
  double* confidences;   // (out) N x T
  Execution execution;
};

// Tells structs of another compiler or version apart.
constexpr int32_t backendStructBytes = static_cast<int32_t>(
    sizeof(LossProblem) + sizeof(DeviceGreedy) + sizeof(AlignProblem) + sizeof(PosteriorProblem));

struct Backend {
  int32_t abi;
  int32_t structBytes;  // backendStructBytes as the backend was compiled
  const char* name;

  // How many devices the driver shows; below 1, `reason` (reasonBytes long) says why.
  int32_t (*deviceCount)(char* reason, int32_t reasonBytes);
  void (*describe)(int32_t device, BackendDevice* description);

  // As ctc::loss(), whose checks the caller has made. Blocks the calling thread until all results
  // are written. Any thread, any number at a time.
  int32_t (*loss)(int32_t device, const LossProblem* problem, Placement placement);

  // As ctc::greedyDecode(), ctc::align() and ctc::posteriors(), in the same way.
  int32_t (*greedy)(int32_t device, const DeviceGreedy* problem, Placement placement);
  int32_t (*align)(int32_t device, const AlignProblem* problem, Placement placement);
  int32_t (*posteriors)(int32_t device, const PosteriorProblem* problem, Placement placement);

  // Device memory that loss() would take for its workspace and staging, at most, if it had all the
  // memory it likes; with less it works in smaller parts, down to one utterance.
  int64_t (*workspaceBytes)(int32_t device, const LossProblem* problem, Placement placement);

  // Memory on a device, and copies that return once they are done.
  int32_t (*allocate)(int32_t device, int64_t bytes, void** memory);
  int32_t (*release)(int32_t device, void* memory);
  int32_t (*upload)(int32_t device, void* to, const void* from, int64_t bytes);
  int32_t (*download)(int32_t device, void* to, const void* from, int64_t bytes);

  // Host memory that a device reads and writes by itself.
  int32_t (*allocatePinned)(int64_t bytes, void** memory);
  int32_t (*releasePinned)(void* memory);

  // Gives back all memory that is kept between calls and not in use.
  void (*trim)();

  // What a failure code means, in words.
  void (*errorText)(int32_t code, char* text, int32_t textBytes);
};

// The exported function. Null when the backend does not speak `abi`.
using BackendEntry = const Backend* (*)(int32_t abi);
constexpr const char* backendEntryName = "ctc_backend";

// A backend as the core found it.
struct OpenedBackend {
  const Backend* backend = nullptr;
  char reason[512] = {};  // why there is none
};

// Opens the library at `path` (absolute, UTF-8) and checks what it speaks. The first call in a
// process decides: later ones get its answer, whatever their path. Never closed again: a driver's
// threads may outlive every caller.
const OpenedBackend& openBackend(const char* path);

// The backend that was opened; null when none was.
const Backend* openedBackend();

// ctc::loss() and its like on a device of the opened backend, their checks of labels and lengths
// included. They answer as Backend does.
int32_t lossOnDevice(int32_t device, const LossProblem& problem, Placement placement);
int32_t greedyOnDevice(int32_t device, const GreedyProblem& problem, Placement placement);
int32_t alignOnDevice(int32_t device, const AlignProblem& problem, Placement placement);
int32_t posteriorsOnDevice(int32_t device, const PosteriorProblem& problem, Placement placement);

}  // namespace ctc
