#include "binding/decode.h"

#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "binding/arguments.h"
#include "binding/copy.h"
#include "binding/device.h"
#include "binding/handle.h"
#include "binding/job.h"
#include "binding/plan.h"
#include "core/beam_guide.h"
#include "ctc/decode.h"

namespace ctc {
namespace {

// Places in the Float64Array of a decoding call, as in lib/decodeNative.ts; N lengths follow.
namespace places {
constexpr size_t dtype = 0;
constexpr size_t frames = 1;
constexpr size_t utterances = 2;
constexpr size_t classes = 3;
constexpr size_t frameStride = 4;
constexpr size_t utteranceStride = 5;
constexpr size_t classStride = 6;
constexpr size_t blank = 7;
constexpr size_t inputKind = 8;
constexpr size_t threads = 9;
constexpr size_t copyInput = 10;  // a job only: copy the input before returning
constexpr size_t job = 11;        // a job only: its number for cancel(), or 0
constexpr size_t mergeRepeated = 12;
constexpr size_t beamWidth = 13;  // Infinity: no limit; the same for the next two
constexpr size_t topPaths = 14;
constexpr size_t cutoffTopN = 15;
constexpr size_t cutoffProb = 16;
constexpr size_t tokenMinLogp = 17;
constexpr size_t beamThreshold = 18;
constexpr size_t device = 19;  // greedy: a device's number, -1 for the CPU
constexpr size_t scored = 20;  // greedy only
constexpr size_t header = 21;
}  // namespace places

enum class Verb { greedy, beam };

struct Arguments {
  ArrayOf<double> plan;
  Span input;
  std::shared_ptr<DeviceMemory> inputMemory;  // instead of a span
  napi_value values[4];                       // plan, input, guide, result

  bool read(napi_env env, napi_callback_info info) {
    size_t count = 4;
    return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == 4 &&
           readDoubles(env, values[0], &plan) && readMemory(env, values[1], &input, &inputMemory) &&
           plan.length >= places::header;
  }
};

bool readLimit(double value, int64_t* limit) {
  if (value == std::numeric_limits<double>::infinity()) {
    *limit = std::numeric_limits<int64_t>::max();
    return true;
  }
  return toInteger(value, limit) && *limit >= 1;
}

// A plan in the core's terms. Owns everything but the input's memory.
class Call {
 public:
  explicit Call(Verb verb) : verb_(verb) {}

  // Whatever lib/ checked is checked again here as far as memory depends on it.
  Code read(napi_env env, const Arguments& a) {
    const double* const p = a.plan.data;
    Tensor& in = beam_.input;
    int64_t dtype = 0;
    int64_t blank = 0;
    int64_t threads = 0;
    int64_t device = 0;
    constexpr int64_t most = 0x7fffffff;
    if (!toInteger(p[places::dtype], &dtype) || !toInteger(p[places::frames], &in.frames) ||
        !toInteger(p[places::utterances], &in.utterances) ||
        !toInteger(p[places::classes], &in.classes) ||
        !toInteger(p[places::frameStride], &in.frameStride) ||
        !toInteger(p[places::utteranceStride], &in.utteranceStride) ||
        !toInteger(p[places::classStride], &in.classStride) ||
        !toInteger(p[places::blank], &blank) || !toInteger(p[places::threads], &threads) ||
        !toInteger(p[places::device], &device) || device < -1 || device > most || dtype < 0 ||
        dtype > 3 || in.frames < 0 || in.frames > most || in.utterances < 0 ||
        in.utterances > most || in.classes < 1 || in.classes > most || blank < 0 ||
        blank >= in.classes || threads < 1 || threads > most ||
        !readLimit(p[places::beamWidth], &beam_.beamWidth) ||
        !readLimit(p[places::topPaths], &beam_.topPaths) ||
        !readLimit(p[places::cutoffTopN], &beam_.cutoffTopN)) {
      return Code::badArgument;
    }
    in.dtype = static_cast<DType>(dtype);
    device_ = static_cast<int32_t>(device);
    inputMemory_ = a.inputMemory;
    if (device_ >= 0 && verb_ == Verb::beam) return Code::badArgument;
    if (inputMemory_ != nullptr && inputMemory_->device() != device_) return Code::badArgument;
    beam_.blank = static_cast<int32_t>(blank);
    beam_.inputKind = p[places::inputKind] == 0 ? Input::logits : Input::logProbs;
    beam_.execution.threads = static_cast<int32_t>(threads);
    beam_.cutoffProb = p[places::cutoffProb];
    beam_.tokenMinLogp = p[places::tokenMinLogp];
    beam_.beamThreshold = p[places::beamThreshold];
    mergeRepeated_ = p[places::mergeRepeated] != 0;
    scored_ = p[places::scored] != 0;
    if (!isUndefined(env, a.values[2])) {
      guide_ = fromHandle<const BeamGuide>(env, a.values[2], HandleKind::guide);
      if (guide_ == nullptr || guide_->labels() != in.classes) return Code::badArgument;
      beam_.guide = guide_.get();
    }
    const size_t n = static_cast<size_t>(in.utterances);
    if (a.plan.length < places::header + n) return Code::badArgument;
    lengths_.resize(n);
    decoded_.resize(n);
    for (size_t i = 0; i < n; ++i) {
      if (!toInteger(p[places::header + i], &lengths_[i])) return Code::badArgument;
    }
    beam_.inputLengths = lengths_.data();
    beam_.decoded = decoded_.data();
    return locate(a);
  }

  Code run() {
    if (verb_ == Verb::beam) return static_cast<Code>(beamDecode(beam_));
    GreedyProblem greedy;
    greedy.input = beam_.input;
    greedy.inputLengths = beam_.inputLengths;
    greedy.blank = beam_.blank;
    greedy.inputKind = beam_.inputKind;
    greedy.mergeRepeated = mergeRepeated_;
    greedy.scored = scored_;
    greedy.decoded = beam_.decoded;
    greedy.execution = beam_.execution;
    if (device_ < 0) return static_cast<Code>(greedyDecode(greedy));
    return static_cast<Code>(greedyOnDevice(device_, greedy, {inputMemory_ != nullptr, 0}));
  }

  BeamProblem& problem() { return beam_; }
  size_t inputBytes() const { return inputBytes_; }
  bool onDevice() const { return inputMemory_ != nullptr; }
  const std::vector<Decoded>& decoded() const { return decoded_; }

 private:
  // Finds how much memory the input takes and whether it is there.
  Code locate(const Arguments& a) {
    const Tensor& in = beam_.input;
    beam_.input.data = onDevice() ? inputMemory_->memory() : a.input.data;
    if (in.frames == 0 || in.utterances == 0) return Code::ok;
    if (in.frameStride < 0 || in.utteranceStride < 0 || in.classStride < 0) {
      return Code::badArgument;
    }
    const double last =
        static_cast<double>(in.frames - 1) * static_cast<double>(in.frameStride) +
        static_cast<double>(in.utterances - 1) * static_cast<double>(in.utteranceStride) +
        static_cast<double>(in.classes - 1) * static_cast<double>(in.classStride);
    const size_t size = bytesOf(in.dtype);
    const double bytes = (last + 1) * static_cast<double>(size);
    if (bytes > static_cast<double>(a.input.bytes)) return Code::inputChanged;
    inputBytes_ = static_cast<size_t>(bytes);
    const bool aligned = onDevice() || reinterpret_cast<uintptr_t>(a.input.data) % size == 0;
    return aligned ? Code::ok : Code::misaligned;
  }

  Verb verb_;
  BeamProblem beam_;
  int32_t device_ = -1;
  std::shared_ptr<DeviceMemory> inputMemory_;
  bool mergeRepeated_ = true;
  bool scored_ = true;
  std::shared_ptr<const BeamGuide> guide_;
  std::vector<int64_t> lengths_;
  std::vector<Decoded> decoded_;
  size_t inputBytes_ = 0;
};

// A new typed array as a property of `object`; its memory, or null on failure.
template <class T>
T* addArray(napi_env env, napi_value object, const char* name, napi_typedarray_type type,
            size_t length) {
  void* data = nullptr;
  napi_value buffer;
  napi_value array;
  if (napi_create_arraybuffer(env, length * sizeof(T), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, type, length, buffer, 0, &array) != napi_ok ||
      napi_set_named_property(env, object, name, array) != napi_ok) {
    return nullptr;
  }
  // An empty buffer may have no address; that is no failure.
  static T nothing;
  return length == 0 ? &nothing : static_cast<T*>(data);
}

// All paths of all utterances, one after another; an `...Ends` entry is where the next one starts.
Code writeResult(napi_env env, napi_value result, const std::vector<Decoded>& decoded) {
  size_t paths = 0;
  size_t labels = 0;
  size_t words = 0;
  for (const Decoded& utterance : decoded) {
    paths += utterance.paths.size();
    for (const DecodedPath& path : utterance.paths) {
      labels += path.labels.size();
      words += path.words.size();
    }
  }
  const auto doubles = [&](const char* name, size_t length) {
    return addArray<double>(env, result, name, napi_float64_array, length);
  };
  const auto ints = [&](const char* name, size_t length) {
    return addArray<int32_t>(env, result, name, napi_int32_array, length);
  };
  auto* const status = addArray<uint8_t>(env, result, "status", napi_uint8_array, decoded.size());
  double* const blankFrames = doubles("blankFrames", decoded.size());
  double* const pathEnds = doubles("pathEnds", decoded.size());
  double* const scores = doubles("scores", paths);
  double* const logProbs = doubles("logProbs", paths);
  double* const labelEnds = doubles("labelEnds", paths);
  double* const wordEnds = doubles("wordEnds", paths);
  int32_t* const labelsOut = ints("labels", labels);
  int32_t* const starts = ints("starts", labels);
  int32_t* const ends = ints("ends", labels);
  double* const confidences = doubles("confidences", labels);
  int32_t* const wordsOut = ints("words", words);
  if (!status || !blankFrames || !pathEnds || !scores || !logProbs || !labelEnds || !wordEnds ||
      !labelsOut || !starts || !ends || !confidences || !wordsOut) {
    return Code::outOfMemory;
  }
  size_t path = 0;
  size_t label = 0;
  size_t word = 0;
  for (size_t n = 0; n < decoded.size(); ++n) {
    status[n] = static_cast<uint8_t>(decoded[n].status);
    blankFrames[n] = static_cast<double>(decoded[n].blankFrames);
    for (const DecodedPath& from : decoded[n].paths) {
      for (size_t i = 0; i < from.labels.size(); ++i, ++label) {
        labelsOut[label] = from.labels[i];
        starts[label] = static_cast<int32_t>(from.starts[i]);
        ends[label] = static_cast<int32_t>(from.ends[i]);
        confidences[label] = from.confidences[i];
      }
      for (const int32_t spelled : from.words) wordsOut[word++] = spelled;
      scores[path] = from.score;
      logProbs[path] = from.logProb;
      labelEnds[path] = static_cast<double>(label);
      wordEnds[path] = static_cast<double>(word);
      ++path;
    }
    pathEnds[n] = static_cast<double>(path);
  }
  return Code::ok;
}

class DecodeJob final : public Job {
 public:
  explicit DecodeJob(Verb verb) : call_(verb) {}

  // On the JavaScript thread: copies or holds all that run() will touch.
  Code prepare(napi_env env, const Arguments& a) {
    if (const Code code = call_.read(env, a); code != Code::ok) return code;
    call_.problem().execution.cancelled = &cancelled();
    if (!hold(env, a.values[3])) return Code::outOfMemory;
    if (call_.onDevice()) return Code::ok;
    if (a.plan.data[places::copyInput] == 0) {
      inPlace_ = a.input;
      return hold(env, a.values[1]) ? Code::ok : Code::outOfMemory;
    }
    if (call_.inputBytes() == 0) return Code::ok;
    const int32_t threads = call_.problem().execution.threads;
    copy_ = copyOf(a.input.data, call_.inputBytes(), threads);
    if (copy_ == nullptr) return Code::outOfMemory;
    call_.problem().input.data = copy_.get();
    return Code::ok;
  }

  Code run() override { return call_.run(); }

  Code finish(napi_env env, Code answer) override {
    if (answer != Code::ok) return answer;
    if (inPlace_.data != nullptr) {
      // A borrowed input that went away meanwhile gave numbers of no worth.
      Span now;
      if (!readSpan(env, held(env, 1), &now) || now.data != inPlace_.data ||
          now.bytes < inPlace_.bytes) {
        return Code::inputChanged;
      }
    }
    return writeResult(env, held(env, 0), call_.decoded());
  }

 private:
  Call call_;
  Span inPlace_;
  std::unique_ptr<char[]> copy_;
};

napi_value answer(napi_env env, Code code) {
  return makeNumber(env, static_cast<double>(static_cast<int32_t>(code)));
}

napi_value decodeSync(napi_env env, napi_callback_info info, Verb verb) {
  Arguments arguments;
  if (!arguments.read(env, info)) return wrongArgument(env);
  try {
    Call call(verb);
    Code code = call.read(env, arguments);
    if (code == Code::ok) code = call.run();
    if (code == Code::ok) code = writeResult(env, arguments.values[3], call.decoded());
    return answer(env, code);
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value decodeAsync(napi_env env, napi_callback_info info, Verb verb) {
  Arguments arguments;
  if (!arguments.read(env, info)) return wrongArgument(env);
  std::unique_ptr<DecodeJob> job(new (std::nothrow) DecodeJob(verb));
  if (job == nullptr) return answer(env, Code::outOfMemory);
  Code code;
  try {
    code = job->prepare(env, arguments);
  } catch (const std::bad_alloc&) {
    code = Code::outOfMemory;
  }
  if (code == Code::ok) return Job::start(env, std::move(job), arguments.plan.data[places::job]);
  job->release(env);
  return answer(env, code);
}

}  // namespace

napi_value greedyDecodeSync(napi_env env, napi_callback_info info) {
  return decodeSync(env, info, Verb::greedy);
}

napi_value beamDecodeSync(napi_env env, napi_callback_info info) {
  return decodeSync(env, info, Verb::beam);
}

napi_value greedyDecodeAsync(napi_env env, napi_callback_info info) {
  return decodeAsync(env, info, Verb::greedy);
}

napi_value beamDecodeAsync(napi_env env, napi_callback_info info) {
  return decodeAsync(env, info, Verb::beam);
}

void registerDecode(napi_env env, napi_value exports) {
  setFunction(env, exports, "greedyDecodeSync", greedyDecodeSync);
  setFunction(env, exports, "greedyDecode", greedyDecodeAsync);
  setFunction(env, exports, "beamDecodeSync", beamDecodeSync);
  setFunction(env, exports, "beamDecode", beamDecodeAsync);
  setFunction(env, exports, "makeGuide", makeGuide);
  setFunction(env, exports, "makeLexicon", makeLexicon);
  setFunction(env, exports, "openArpa", openArpa);
  setFunction(env, exports, "feedArpaSync", feedArpaSync);
  setFunction(env, exports, "feedArpa", feedArpaAsync);
  setFunction(env, exports, "closeArpaSync", closeArpaSync);
  setFunction(env, exports, "closeArpa", closeArpaAsync);
  setFunction(env, exports, "arpaMessage", arpaMessage);
  setFunction(env, exports, "arpaModel", arpaModel);
  setFunction(env, exports, "modelInfo", modelInfo);
  setFunction(env, exports, "modelScore", modelScore);
}

}  // namespace ctc
