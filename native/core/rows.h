// One frame's scores of one utterance, of any dtype and stride, as contiguous double
// log-probabilities. Shared by the decoders and the aligner.
#pragma once

#include <cmath>
#include <cstdint>

#include "cpu/float16.h"
#include "cpu/row_scan.h"
#include "ctc/problem.h"

namespace ctc {

// The element (frame, utterance, label) as stored, widened.
inline double readElement(const Tensor& input, int64_t frame, int64_t utterance, int64_t label) {
  const int64_t at =
      frame * input.frameStride + utterance * input.utteranceStride + label * input.classStride;
  switch (input.dtype) {
    case DType::float32:
      return static_cast<const float*>(input.data)[at];
    case DType::float64:
      return static_cast<const double*>(input.data)[at];
    case DType::float16:
      return halfToFloat(static_cast<const uint16_t*>(input.data)[at]);
    case DType::bfloat16:
      return brainToFloat(static_cast<const uint16_t*>(input.data)[at]);
  }
  return 0;
}

// Copies a frame's scores, as stored, to row [C].
inline void readRow(const Tensor& input, int64_t frame, int64_t utterance, double* row) {
  activeRowScan().read(input, frame, utterance, row);
}

// A row's largest score, or NaN when the row is nonfinite in the loss's sense: a NaN, a +Infinity,
// or nothing but -Infinity.
inline double finiteMax(const double* row, int64_t classes) {
  return activeRowScan().finiteMax(row, classes);
}

// The lowest class of a frame's largest score, which goes to *largest; -1 when the frame is
// nonfinite as in finiteMax(). row [C] is scratch.
inline int64_t bestClass(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                         double* largest) {
  return activeRowScan().bestClass(input, frame, utterance, row, largest);
}

// log(sum(exp(row - largest))): small, so that no digit is lost to a large offset of the row.
inline double logSumOver(const double* row, int64_t classes, double largest) {
  return activeRowScan().logSumOver(row, classes, largest);
}

// From a frame's scores as stored to log-probabilities. The difference first: it is exact where a
// large offset of the row would eat the digits of the rest.
struct Normalisation {
  double largest = 0;
  double norm = 0;

  double operator()(double stored) const { return (stored - largest) - norm; }
};

// logSumOver() of a frame. row [C] is scratch.
inline double frameLogSum(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                          double largest) {
  return activeRowScan().frameLogSum(input, frame, utterance, row, largest);
}

// Reads a frame as log-probabilities into row [C]: log-softmax of logits; log-probabilities are
// taken as they are, normalised or not. *normalisation gets what was done to every score.
// False: the row is nonfinite (NaN, +Infinity, or nothing but -Infinity) and must not be used.
inline bool readLogProbs(const Tensor& input, Input kind, int64_t frame, int64_t utterance,
                         double* row, Normalisation* normalisation) {
  readRow(input, frame, utterance, row);
  const double largest = finiteMax(row, input.classes);
  if (std::isnan(largest)) return false;
  *normalisation = {};
  if (kind == Input::logits) {
    *normalisation = {largest, logSumOver(row, input.classes, largest)};
    for (int64_t c = 0; c < input.classes; ++c) row[c] = (*normalisation)(row[c]);
  }
  return true;
}

}  // namespace ctc
