// What JavaScript and C++ say to each other about a loss call; the other end is lib/native.ts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ctc {

// A change of anything here, or of an exported function, counts this up; lib/load.ts refuses
// others.
constexpr int32_t interfaceVersion = 5;

// Places in the Float64Array of a loss call. After the header follow N input lengths, N + 1 label
// offsets and, when there is a gradient, N gradient scales; of the loss, at results(N), 2 N numbers
// for the losses and statuses of a synchronous call, and after those the labels, as int32.
namespace plan {
constexpr size_t dtype = 0;
constexpr size_t frames = 1;
constexpr size_t utterances = 2;
constexpr size_t classes = 3;
constexpr size_t frameStride = 4;
constexpr size_t utteranceStride = 5;
constexpr size_t classStride = 6;
constexpr size_t blank = 7;
constexpr size_t inputKind = 8;
constexpr size_t gradientOf = 9;
constexpr size_t threads = 10;
constexpr size_t gradientFrameStride = 11;
constexpr size_t gradientUtteranceStride = 12;
constexpr size_t copyInput = 13;        // a job only: copy the input before returning
constexpr size_t privateGradient = 14;  // a job only: write elsewhere, copy at the end
constexpr size_t job = 15;              // a job only: its number for cancel(), or 0
constexpr size_t device = 16;           // a device's number, -1 for the CPU
constexpr size_t header = 17;
constexpr size_t results(size_t utterances) { return header + 3 * utterances + 1; }
}  // namespace plan

// What a call answers. The first four are ctc::Result; from deviceFailure on (ctc/backend.h) they
// are failures of a device.
enum class Code : int32_t {
  ok = 0,
  outOfMemory = 1,
  cancelled = 2,
  badArgument = 3,
  inputChanged = 4,   // smaller than when it was checked: detached or shrunk since
  outputChanged = 5,  // the same, for the gradient
  misaligned = 6,
  overlap = 7,
  noExternalMemory = 8,  // this JavaScript engine takes no memory from outside
};

}  // namespace ctc
