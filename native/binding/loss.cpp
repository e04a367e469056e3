#include "binding/loss.h"

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "binding/arguments.h"
#include "binding/copy.h"
#include "binding/device.h"
#include "binding/job.h"
#include "binding/plan.h"
#include "core/pages.h"
#include "ctc/loss.h"

namespace ctc {
namespace {

struct Arguments {
  ArrayOf<double> plan;
  ArrayOf<double> results;  // a job's; else they go into the plan
  Span input;
  Span gradient;
  std::shared_ptr<DeviceMemory> inputMemory;  // instead of a span
  std::shared_ptr<DeviceMemory> gradientMemory;
  napi_value values[4];

  bool read(napi_env env, napi_callback_info info, bool job) {
    size_t count = 4;
    return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok &&
           count == (job ? 4 : 3) && readDoubles(env, values[0], &plan) &&
           readMemory(env, values[1], &input, &inputMemory) &&
           readMemory(env, values[2], &gradient, &gradientMemory) &&
           (!job || readDoubles(env, values[3], &results)) && plan.length >= plan::header;
  }

  bool gradientWanted() const {
    return gradientMemory != nullptr || gradient.data != nullptr || gradient.bytes > 0;
  }
};

// A plan in the core's terms. Owns the lengths, the offsets and the scales; points at the rest.
class Call {
 public:
  // Whatever lib/ checked is checked again here as far as memory depends on it.
  Code read(const Arguments& a) {
    const double* const p = a.plan.data;
    Tensor& in = problem_.input;
    int64_t dtype = 0;
    int64_t blank = 0;
    int64_t threads = 0;
    int64_t device = 0;
    OutputTensor& out = problem_.gradient;
    if (!toInteger(p[plan::dtype], &dtype) || !toInteger(p[plan::frames], &in.frames) ||
        !toInteger(p[plan::utterances], &in.utterances) ||
        !toInteger(p[plan::classes], &in.classes) ||
        !toInteger(p[plan::frameStride], &in.frameStride) ||
        !toInteger(p[plan::utteranceStride], &in.utteranceStride) ||
        !toInteger(p[plan::classStride], &in.classStride) || !toInteger(p[plan::blank], &blank) ||
        !toInteger(p[plan::threads], &threads) || !toInteger(p[plan::device], &device) ||
        !toInteger(p[plan::gradientFrameStride], &out.frameStride) ||
        !toInteger(p[plan::gradientUtteranceStride], &out.utteranceStride)) {
      return Code::badArgument;
    }
    constexpr int64_t most = 0x7fffffff;
    if (dtype < 0 || dtype > 3 || in.frames < 0 || in.frames > most || in.utterances < 0 ||
        in.utterances > most || in.classes < 1 || in.classes > most || blank < 0 ||
        blank >= in.classes || threads < 1 || threads > most || device < -1 || device > most) {
      return Code::badArgument;
    }
    in.dtype = static_cast<DType>(dtype);
    problem_.blank = static_cast<int32_t>(blank);
    problem_.inputKind = p[plan::inputKind] == 0 ? Input::logits : Input::logProbs;
    problem_.gradientOf = p[plan::gradientOf] == 0 ? GradientOf::input : GradientOf::softmax;
    problem_.execution.threads = static_cast<int32_t>(threads);
    device_ = static_cast<int32_t>(device);
    for (const auto& memory : {a.inputMemory, a.gradientMemory}) {
      if (memory != nullptr && memory->device() != device_) return Code::badArgument;
    }
    if (const Code code = readRows(a); code != Code::ok) return code;
    return locate(a);
  }

  // Writes the results, whose memory must still be there.
  Code run() {
    const auto code = static_cast<Code>(device_ < 0 ? static_cast<int32_t>(loss(problem_))
                                                    : lossOnDevice(device_, problem_, placement_));
    double* next = problem_.losses + status_.size();
    for (const Status status : status_) *next++ = static_cast<double>(status);
    return code;
  }

  LossProblem& problem() { return problem_; }
  size_t inputBytes() const { return inputBytes_; }
  size_t gradientBytes() const { return gradientBytes_; }

 private:
  Code readRows(const Arguments& a) {
    const size_t n = static_cast<size_t>(problem_.input.utterances);
    const bool wanted = a.gradientWanted();
    const size_t ownResults = plan::results(n);
    const size_t labels = ownResults + 2 * n;
    if (a.plan.length < labels || (a.results.data != nullptr && a.results.length < 2 * n)) {
      return Code::badArgument;
    }
    lengths_.resize(n);
    offsets_.resize(n + 1);
    status_.resize(n);
    const double* next = a.plan.data + plan::header;
    for (int64_t& length : lengths_) {
      if (!toInteger(*next++, &length)) return Code::badArgument;
    }
    for (int64_t& offset : offsets_) {
      if (!toInteger(*next++, &offset)) return Code::badArgument;
    }
    if (offsets_[n] < 0 || static_cast<uint64_t>(offsets_[n]) > 2 * (a.plan.length - labels)) {
      return Code::badArgument;
    }
    if (wanted) scales_.assign(next, next + n);
    problem_.inputLengths = lengths_.data();
    problem_.targets.offsets = offsets_.data();
    problem_.targets.labels = reinterpret_cast<const int32_t*>(a.plan.data + labels);
    problem_.gradientScale = wanted ? scales_.data() : nullptr;
    problem_.losses = a.results.data != nullptr ? a.results.data : a.plan.data + ownResults;
    problem_.status = status_.data();
    return Code::ok;
  }

  // Finds how much memory the tensors take and whether it is there.
  Code locate(const Arguments& a) {
    const Tensor& in = problem_.input;
    const double size = static_cast<double>(bytesOf(in.dtype));
    const double count = static_cast<double>(in.frames) * static_cast<double>(in.utterances) *
                         static_cast<double>(in.classes);
    if (count > 0) {
      if (in.frameStride < 0 || in.utteranceStride < 0 || in.classStride < 0) {
        return Code::badArgument;
      }
      const double last =
          static_cast<double>(in.frames - 1) * static_cast<double>(in.frameStride) +
          static_cast<double>(in.utterances - 1) * static_cast<double>(in.utteranceStride) +
          static_cast<double>(in.classes - 1) * static_cast<double>(in.classStride);
      if ((last + 1) * size > static_cast<double>(a.input.bytes)) return Code::inputChanged;
      inputBytes_ = static_cast<size_t>((last + 1) * size);
      if (problem_.gradientScale != nullptr) {
        const OutputTensor& out = problem_.gradient;
        const double lastRow =
            static_cast<double>(in.frames - 1) * static_cast<double>(out.frameStride) +
            static_cast<double>(in.utterances - 1) * static_cast<double>(out.utteranceStride);
        if (out.frameStride < 0 || out.utteranceStride < 0 ||
            lastRow + static_cast<double>(in.classes) > count) {
          return Code::badArgument;
        }
        if (count * size > static_cast<double>(a.gradient.bytes)) return Code::outputChanged;
        gradientBytes_ = static_cast<size_t>(count * size);
      }
    }
    problem_.input.data = a.input.data;
    problem_.gradient.data = gradientBytes_ > 0 ? a.gradient.data : nullptr;
    adviseLargePages(problem_.gradient.data, gradientBytes_);
    if (a.inputMemory != nullptr) {
      placement_.inputOnDevice = 1;
      problem_.input.data = a.inputMemory->memory();
    }
    if (a.gradientMemory != nullptr) {
      placement_.gradientOnDevice = 1;
      if (gradientBytes_ > 0) problem_.gradient.data = a.gradientMemory->memory();
      return a.gradientMemory == a.inputMemory ? Code::overlap : Code::ok;
    }
    if (a.inputMemory != nullptr) return Code::ok;
    const auto input = reinterpret_cast<uintptr_t>(a.input.data);
    const auto gradient = reinterpret_cast<uintptr_t>(a.gradient.data);
    if ((inputBytes_ > 0 && input % bytesOf(in.dtype) != 0) ||
        (gradientBytes_ > 0 && gradient % bytesOf(in.dtype) != 0)) {
      return Code::misaligned;
    }
    // Two SharedArrayBuffers can be the same memory: only the addresses tell.
    if (input < gradient + gradientBytes_ && gradient < input + inputBytes_ && inputBytes_ > 0 &&
        gradientBytes_ > 0) {
      return Code::overlap;
    }
    return Code::ok;
  }

  LossProblem problem_;
  int32_t device_ = -1;
  Placement placement_ = {};
  std::vector<int64_t> lengths_;
  std::vector<int64_t> offsets_;
  std::vector<double> scales_;
  std::vector<Status> status_;
  size_t inputBytes_ = 0;
  size_t gradientBytes_ = 0;
};

class LossJob final : public Job {
 public:
  // On the JavaScript thread: copies or holds all that run() will touch.
  Code prepare(napi_env env, const Arguments& a) {
    if (const Code code = call_.read(a); code != Code::ok) return code;
    LossProblem& problem = call_.problem();
    const int64_t labelCount = problem.targets.offsets[problem.input.utterances];
    labels_.assign(problem.targets.labels, problem.targets.labels + labelCount);
    problem.targets.labels = labels_.data();
    problem.execution.cancelled = &cancelled();
    if (!hold(env, a.values[3])) return Code::outOfMemory;

    memory_[0] = a.inputMemory;
    memory_[1] = a.gradientMemory;
    const bool onHost = a.inputMemory == nullptr;
    if (onHost && a.plan.data[plan::copyInput] != 0 && call_.inputBytes() > 0) {
      inputCopy_ = copyOf(a.input.data, call_.inputBytes(), problem.execution.threads);
      if (inputCopy_ == nullptr) return Code::outOfMemory;
      problem.input.data = inputCopy_.get();
    } else if (onHost && !input_.hold(env, *this, a.values[1], a.input)) {
      return Code::outOfMemory;
    }

    if (problem.gradient.data == nullptr || a.gradientMemory != nullptr) return Code::ok;
    if (!gradient_.hold(env, *this, a.values[2], a.gradient)) return Code::outOfMemory;
    if (a.plan.data[plan::privateGradient] != 0) {
      gradientCopy_.reset(new (std::nothrow) char[call_.gradientBytes()]);
      if (gradientCopy_ == nullptr) return Code::outOfMemory;
      adviseLargePages(gradientCopy_.get(), call_.gradientBytes());
      problem.gradient.data = gradientCopy_.get();
    }
    return Code::ok;
  }

  Code run() override { return call_.run(); }

  Code finish(napi_env env, Code answer) override {
    if (answer != Code::ok) return answer;
    // A borrowed input that went away meanwhile gave numbers of no worth.
    if (input_.holds && !input_.isUnchanged(env, *this)) return Code::inputChanged;
    if (!gradient_.holds) return answer;
    if (gradientCopy_ == nullptr) {
      return gradient_.isUnchanged(env, *this) ? answer : Code::outputChanged;
    }
    Span now;
    if (!readSpan(env, held(env, gradient_.place), &now) || now.bytes < call_.gradientBytes()) {
      return Code::outputChanged;
    }
    std::memcpy(now.data, gradientCopy_.get(), call_.gradientBytes());
    return answer;
  }

 private:
  // An array of JavaScript's whose memory is used in place.
  struct InPlace {
    bool holds = false;
    size_t place = 0;
    Span span;

    bool hold(napi_env env, Job& job, napi_value value, Span at) {
      place = job.heldCount();
      span = at;
      return holds = job.hold(env, value);
    }
    bool isUnchanged(napi_env env, const Job& job) const {
      Span now;
      return readSpan(env, job.held(env, place), &now) && now.data == span.data &&
             now.bytes >= span.bytes;
    }
  };

  Call call_;
  std::vector<int32_t> labels_;
  std::shared_ptr<DeviceMemory> memory_[2];  // stays until the job has ended
  std::unique_ptr<char[]> inputCopy_;
  std::unique_ptr<char[]> gradientCopy_;
  InPlace input_;
  InPlace gradient_;
};

napi_value answer(napi_env env, Code code) {
  napi_value value = nullptr;
  napi_create_int32(env, static_cast<int32_t>(code), &value);
  return value;
}

}  // namespace

napi_value lossSync(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!arguments.read(env, info, false)) return wrongArgument(env);
  try {
    Call call;
    Code code = call.read(arguments);
    if (code == Code::ok) code = call.run();
    return answer(env, code);
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value lossAsync(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!arguments.read(env, info, true)) return wrongArgument(env);
  std::unique_ptr<LossJob> job(new (std::nothrow) LossJob);
  if (job == nullptr) return answer(env, Code::outOfMemory);
  Code code;
  try {
    code = job->prepare(env, arguments);
  } catch (const std::bad_alloc&) {
    code = Code::outOfMemory;
  }
  if (code == Code::ok) return Job::start(env, std::move(job), arguments.plan.data[plan::job]);
  job->release(env);
  return answer(env, code);
}

}  // namespace ctc
