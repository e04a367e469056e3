#include "binding/batch.h"

#include "binding/copy.h"

namespace ctc {

Code Batch::read(napi_env env, const napi_value* values) {
  ArrayOf<double> plan;
  Span input;
  if (!readDoubles(env, values[0], &plan) || !readInts(env, values[1], &labels_) ||
      !readMemory(env, values[2], &input, &inputMemory_) || plan.length < plan::header) {
    return Code::badArgument;
  }
  const double* const p = plan.data;
  int64_t dtype = 0;
  int64_t blank = 0;
  int64_t threads = 0;
  int64_t device = 0;
  if (!toInteger(p[plan::dtype], &dtype) || !toInteger(p[plan::frames], &input_.frames) ||
      !toInteger(p[plan::utterances], &input_.utterances) ||
      !toInteger(p[plan::classes], &input_.classes) ||
      !toInteger(p[plan::frameStride], &input_.frameStride) ||
      !toInteger(p[plan::utteranceStride], &input_.utteranceStride) ||
      !toInteger(p[plan::classStride], &input_.classStride) || !toInteger(p[plan::blank], &blank) ||
      !toInteger(p[plan::threads], &threads) || !toInteger(p[plan::device], &device)) {
    return Code::badArgument;
  }
  constexpr int64_t most = 0x7fffffff;
  if (dtype < 0 || dtype > 3 || input_.frames < 0 || input_.frames > most ||
      input_.utterances < 0 || input_.utterances > most || input_.classes < 1 ||
      input_.classes >= most || blank < 0 || blank >= input_.classes || threads < 1 ||
      threads > most || device < -1 || device > most) {
    return Code::badArgument;
  }
  device_ = static_cast<int32_t>(device);
  if (inputMemory_ != nullptr && inputMemory_->device() != device_) return Code::badArgument;
  input_.dtype = static_cast<DType>(dtype);
  blank_ = static_cast<int32_t>(blank);
  threads_ = static_cast<int32_t>(threads);
  kind_ = p[plan::inputKind] == 0 ? Input::logits : Input::logProbs;
  copyInput_ = p[plan::copyInput] != 0;
  jobNumber_ = p[plan::job];

  const auto n = static_cast<size_t>(input_.utterances);
  if (plan.length < plan::header + 2 * n + 1) return Code::badArgument;
  lengths_.resize(n);
  offsets_.resize(n + 1);
  const double* next = p + plan::header;
  for (int64_t& length : lengths_) {
    if (!toInteger(*next++, &length)) return Code::badArgument;
  }
  for (int64_t& offset : offsets_) {
    if (!toInteger(*next++, &offset)) return Code::badArgument;
  }
  if (offsets_[n] < 0 || static_cast<uint64_t>(offsets_[n]) > labels_.length) {
    return Code::badArgument;
  }
  return readInput(input);
}

Code Batch::readInput(Span span) {
  span_ = span;
  const double count = static_cast<double>(input_.frames) * static_cast<double>(input_.utterances) *
                       static_cast<double>(input_.classes);
  if (count > 0) {
    if (input_.frameStride < 0 || input_.utteranceStride < 0 || input_.classStride < 0) {
      return Code::badArgument;
    }
    const auto reach = [](int64_t extent, int64_t stride) {
      return static_cast<double>(extent - 1) * static_cast<double>(stride);
    };
    const double last = reach(input_.frames, input_.frameStride) +
                        reach(input_.utterances, input_.utteranceStride) +
                        reach(input_.classes, input_.classStride);
    const double bytes = (last + 1) * static_cast<double>(bytesOf(input_.dtype));
    if (bytes > static_cast<double>(span.bytes)) return Code::inputChanged;
    inputBytes_ = static_cast<size_t>(bytes);
    if (inputMemory_ == nullptr &&
        reinterpret_cast<uintptr_t>(span.data) % bytesOf(input_.dtype) != 0) {
      return Code::misaligned;
    }
  }
  input_.data = inputMemory_ == nullptr ? span.data : inputMemory_->memory();
  return Code::ok;
}

Code Batch::keep(napi_env env, Job& job, const napi_value* values) {
  labelCopy_.assign(labels_.data, labels_.data + labels_.length);
  labels_.data = labelCopy_.data();
  if (inputMemory_ != nullptr) return Code::ok;
  if (copyInput_ && inputBytes_ > 0) {
    inputCopy_ = copyOf(input_.data, inputBytes_, threads_);
    if (inputCopy_ == nullptr) return Code::outOfMemory;
    input_.data = inputCopy_.get();
    return Code::ok;
  }
  place_ = job.heldCount();
  holdsInput_ = job.hold(env, values[2]);
  return holdsInput_ ? Code::ok : Code::outOfMemory;
}

bool Batch::inputIsUnchanged(napi_env env, const Job& job) const {
  if (!holdsInput_) return true;
  Span now;
  return readSpan(env, job.held(env, place_), &now) && now.data == span_.data &&
         now.bytes >= span_.bytes;
}

}  // namespace ctc
