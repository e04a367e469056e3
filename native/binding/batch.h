// What calls with an input, targets and lengths have in common: lib/native.ts packs it for each of
// them as it does for the loss (plan.h), without the gradient's part.
#pragma once

#include <node_api.h>

#include <memory>
#include <new>
#include <vector>

#include "binding/arguments.h"
#include "binding/job.h"
#include "binding/plan.h"
#include "ctc/problem.h"

namespace ctc {

// The arguments (plan, labels, input) in the core's terms. Owns lengths and offsets.
class Batch {
 public:
  // Whatever lib/ checked is checked again as far as memory depends on it.
  Code read(napi_env env, const napi_value* values);

  // For a job, after read(): copies the labels, copies or holds the input as the plan says.
  Code keep(napi_env env, Job& job, const napi_value* values);

  // After a job: whether an input that was used in place is still there.
  bool inputIsUnchanged(napi_env env, const Job& job) const;

  // Fills what every problem has. The batch must outlive the problem.
  template <class Problem>
  void describe(Problem* problem, const std::atomic<bool>* cancelled) const {
    problem->input = input_;
    problem->targets = {labels_.data, offsets_.data()};
    problem->inputLengths = lengths_.data();
    problem->blank = blank_;
    problem->inputKind = kind_;
    problem->execution.threads = threads_;
    problem->execution.cancelled = cancelled;
  }

  int64_t utterances() const { return input_.utterances; }
  int64_t frames() const { return input_.frames; }
  int64_t frames(int64_t n) const { return lengths_[static_cast<size_t>(n)]; }
  int64_t labels(int64_t n) const {
    return offsets_[static_cast<size_t>(n) + 1] - offsets_[static_cast<size_t>(n)];
  }
  int64_t labels() const { return offsets_.back(); }
  double jobNumber() const { return jobNumber_; }

 private:
  Code readInput(Span span);

  Tensor input_;
  Input kind_ = Input::logits;
  int32_t blank_ = 0;
  int32_t threads_ = 1;
  std::vector<int64_t> lengths_;
  std::vector<int64_t> offsets_;
  ArrayOf<int32_t> labels_;
  size_t inputBytes_ = 0;
  bool copyInput_ = false;
  double jobNumber_ = 0;

  std::vector<int32_t> labelCopy_;
  std::unique_ptr<char[]> inputCopy_;
  bool holdsInput_ = false;
  size_t place_ = 0;  // of the input among what the job holds
  Span span_;
};

// An output that lib/ allocated for this call: `bytes` of it, at least.
template <class T>
bool readOutput(napi_env env, napi_value value, int64_t count, T** data) {
  Span span;
  if (count < 0 || !readSpan(env, value, &span) ||
      span.bytes / sizeof(T) < static_cast<size_t>(count)) {
    return false;
  }
  *data = static_cast<T*>(span.data);
  return true;
}

// A call (plan, labels, input, ...) has
//   static constexpr size_t arguments;    how many, outputs included
//   static constexpr size_t firstOutput;  from here on they are arrays that the call writes
//   Code read(napi_env, const napi_value*, const Batch&);
//   Code run(const Batch&, const std::atomic<bool>* cancelled);
template <class Call>
class BatchJob final : public Job {
 public:
  Code prepare(napi_env env, const napi_value* values) {
    Code code = batch_.read(env, values);
    if (code == Code::ok) code = call_.read(env, values, batch_);
    if (code == Code::ok) code = batch_.keep(env, *this, values);
    for (size_t i = Call::firstOutput; code == Code::ok && i < Call::arguments; ++i) {
      napi_valuetype type;
      if (napi_typeof(env, values[i], &type) == napi_ok && type == napi_undefined) continue;
      if (!hold(env, values[i])) code = Code::outOfMemory;
    }
    return code;
  }
  double number() const { return batch_.jobNumber(); }
  Code run() override { return call_.run(batch_, &cancelled()); }
  Code finish(napi_env env, Code answer) override {
    return answer == Code::ok && !batch_.inputIsUnchanged(env, *this) ? Code::inputChanged : answer;
  }

 private:
  Batch batch_;
  Call call_;
};

inline napi_value answerCode(napi_env env, Code code) {
  napi_value value = nullptr;
  napi_create_int32(env, static_cast<int32_t>(code), &value);
  return value;
}

template <class Call>
napi_value callNow(napi_env env, napi_callback_info info) {
  napi_value values[Call::arguments];
  size_t count = Call::arguments;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok) return nullptr;
  try {
    Batch batch;
    Call call;
    Code code = batch.read(env, values);
    if (code == Code::ok) code = call.read(env, values, batch);
    if (code == Code::ok) code = call.run(batch, nullptr);
    return answerCode(env, code);
  } catch (const std::bad_alloc&) {
    return answerCode(env, Code::outOfMemory);
  }
}

// A promise of a Code, or the Code when nothing was started.
template <class Call>
napi_value callLater(napi_env env, napi_callback_info info) {
  napi_value values[Call::arguments];
  size_t count = Call::arguments;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok) return nullptr;
  std::unique_ptr<BatchJob<Call>> job;
  Code code;
  try {
    job = std::make_unique<BatchJob<Call>>();
    code = job->prepare(env, values);
  } catch (const std::bad_alloc&) {
    code = Code::outOfMemory;
  }
  if (code != Code::ok) {
    if (job != nullptr) job->release(env);
    return answerCode(env, code);
  }
  const double number = job->number();
  return Job::start(env, std::move(job), number);
}

}  // namespace ctc
