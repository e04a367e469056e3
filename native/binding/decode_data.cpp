// The handles of decoding: guides, lexicons and language models.
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "binding/arguments.h"
#include "binding/decode.h"
#include "binding/handle.h"
#include "binding/job.h"
#include "binding/plan.h"
#include "core/arpa.h"
#include "core/beam_guide.h"
#include "core/lexicon.h"

namespace ctc {
namespace {

napi_value answer(napi_env env, Code code) {
  return makeNumber(env, static_cast<double>(static_cast<int32_t>(code)));
}

template <size_t count>
bool readValues(napi_env env, napi_callback_info info, napi_value (&values)[count]) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, values, nullptr, nullptr) == napi_ok && given == count;
}

// Pieces of one array: piece i ends, exclusively, at ends[i].
template <class T>
bool splitAt(ArrayOf<T> all, ArrayOf<double> ends, std::vector<ArrayOf<T>>* pieces) {
  int64_t begin = 0;
  for (size_t i = 0; i < ends.length; ++i) {
    int64_t end;
    if (!toInteger(ends.data[i], &end) || end < begin || static_cast<uint64_t>(end) > all.length) {
      return false;
    }
    pieces->push_back({all.data + begin, static_cast<size_t>(end - begin)});
    begin = end;
  }
  return true;
}

std::string_view textOf(ArrayOf<uint8_t> piece) {
  return {reinterpret_cast<const char*>(piece.data), piece.length};
}

bool readTexts(napi_env env, napi_value bytes, napi_value ends,
               std::vector<ArrayOf<uint8_t>>* texts) {
  ArrayOf<uint8_t> all;
  ArrayOf<double> at;
  return readBytes(env, bytes, &all) && readDoubles(env, ends, &at) && splitAt(all, at, texts);
}

// A reader, and the model once it is complete. Used by one call or job at a time: lib/ awaits each.
struct Arpa {
  ArpaReader reader;
  std::shared_ptr<const NGramModel> model;
};

Code feed(Arpa* arpa, const char* text, size_t length) {
  try {
    return arpa->reader.feed(text, length) ? Code::ok : Code::badArgument;
  } catch (const std::bad_alloc&) {
    return Code::outOfMemory;
  }
}

Code close(Arpa* arpa) {
  try {
    arpa->model = arpa->reader.finish();
    return arpa->model ? Code::ok : Code::badArgument;
  } catch (const std::bad_alloc&) {
    return Code::outOfMemory;
  }
}

class ArpaJob final : public Job {
 public:
  // Without text it closes the reader.
  ArpaJob(std::shared_ptr<Arpa> arpa, const ArrayOf<uint8_t>* text)
      : arpa_(std::move(arpa)), closes_(text == nullptr) {
    if (text != nullptr) text_.assign(textOf(*text));
  }

  Code run() override {
    return closes_ ? close(arpa_.get()) : feed(arpa_.get(), text_.data(), text_.size());
  }

 private:
  std::shared_ptr<Arpa> arpa_;
  bool closes_;
  std::string text_;
};

napi_value startArpaJob(napi_env env, std::shared_ptr<Arpa> arpa, const ArrayOf<uint8_t>* text) {
  try {
    return Job::start(env, std::make_unique<ArpaJob>(std::move(arpa), text), 0);
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

std::shared_ptr<Arpa> arpaFrom(napi_env env, napi_value handle) {
  return fromHandle<Arpa>(env, handle, HandleKind::arpa);
}

}  // namespace

napi_value makeGuide(napi_env env, napi_callback_info info) {
  napi_value values[9];
  ArrayOf<double> numbers;
  ArrayOf<uint8_t> roles;
  ArrayOf<double> weights;
  std::vector<ArrayOf<uint8_t>> tokens;
  std::vector<ArrayOf<uint8_t>> hotwords;
  try {
    if (!readValues(env, info, values) || !readDoubles(env, values[0], &numbers) ||
        numbers.length != 5 || !readBytes(env, values[1], &roles) ||
        !readTexts(env, values[2], values[3], &tokens) || tokens.size() != roles.length ||
        !readTexts(env, values[6], values[7], &hotwords) ||
        !readDoubles(env, values[8], &weights) || weights.length != hotwords.size()) {
      return wrongArgument(env);
    }
    GuideOptions options;
    if (!isUndefined(env, values[4])) {
      options.lm = fromHandle<const NGramModel>(env, values[4], HandleKind::model);
      if (!options.lm) return wrongArgument(env);
    }
    if (!isUndefined(env, values[5])) {
      options.lexicon = fromHandle<const Lexicon>(env, values[5], HandleKind::lexicon);
      if (!options.lexicon) return wrongArgument(env);
    }
    for (size_t i = 0; i < tokens.size(); ++i) {
      options.tokens.emplace_back(textOf(tokens[i]));
      if (roles.data[i] > static_cast<uint8_t>(LabelRole::starts)) return wrongArgument(env);
      options.roles.push_back(static_cast<LabelRole>(roles.data[i]));
    }
    for (size_t i = 0; i < hotwords.size(); ++i) {
      if (hotwords[i].length == 0) return wrongArgument(env);
      options.hotwords.emplace_back(textOf(hotwords[i]), weights.data[i]);
    }
    options.unit = numbers.data[0] == 0 ? LmUnit::word : LmUnit::token;
    options.alpha = numbers.data[1];
    options.beta = numbers.data[2];
    options.unkScore = numbers.data[3];
    options.sentenceBoundary = numbers.data[4] != 0;
    const auto guide = std::make_shared<const BeamGuide>(std::move(options));
    const napi_value handle = makeHandle(env, HandleKind::guide, guide, 0);
    return handle == nullptr ? answer(env, Code::outOfMemory) : handle;
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value makeLexicon(napi_env env, napi_callback_info info) {
  napi_value values[4];
  std::vector<ArrayOf<uint8_t>> words;
  std::vector<ArrayOf<int32_t>> spellings;
  try {
    if (!readValues(env, info, values) || !readTexts(env, values[0], values[1], &words)) {
      return wrongArgument(env);
    }
    const auto lexicon = std::make_shared<Lexicon>();
    lexicon->spelledWithLabels = !isUndefined(env, values[2]);
    if (lexicon->spelledWithLabels) {
      ArrayOf<int32_t> labels;
      ArrayOf<double> ends;
      if (!readInts(env, values[2], &labels) || !readDoubles(env, values[3], &ends) ||
          !splitAt(labels, ends, &spellings) || spellings.size() != words.size()) {
        return wrongArgument(env);
      }
    }
    for (size_t i = 0; i < words.size(); ++i) {
      bool added;
      const int32_t word = lexicon->words.add(textOf(words[i]), &added);
      if (lexicon->spelledWithLabels) {
        lexicon->trie.add(spellings[i].data, static_cast<int64_t>(spellings[i].length), word);
      } else {
        lexicon->trie.addText(textOf(words[i]), word);
      }
    }
    const napi_value handle = makeHandle<const Lexicon>(
        env, HandleKind::lexicon, lexicon, lexicon->words.bytes() + lexicon->trie.bytes());
    return handle == nullptr ? answer(env, Code::outOfMemory) : handle;
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value openArpa(napi_env env, napi_callback_info) {
  try {
    const napi_value handle = makeHandle(env, HandleKind::arpa, std::make_shared<Arpa>(), 0);
    return handle == nullptr ? answer(env, Code::outOfMemory) : handle;
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value feedArpaSync(napi_env env, napi_callback_info info) {
  napi_value values[2];
  ArrayOf<uint8_t> text;
  if (!readValues(env, info, values) || !readBytes(env, values[1], &text)) {
    return wrongArgument(env);
  }
  const auto arpa = arpaFrom(env, values[0]);
  if (!arpa) return wrongArgument(env);
  return answer(env, feed(arpa.get(), textOf(text).data(), text.length));
}

napi_value feedArpaAsync(napi_env env, napi_callback_info info) {
  napi_value values[2];
  ArrayOf<uint8_t> text;
  if (!readValues(env, info, values) || !readBytes(env, values[1], &text)) {
    return wrongArgument(env);
  }
  const auto arpa = arpaFrom(env, values[0]);
  return arpa ? startArpaJob(env, arpa, &text) : wrongArgument(env);
}

napi_value closeArpaSync(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readValues(env, info, values)) return wrongArgument(env);
  const auto arpa = arpaFrom(env, values[0]);
  return arpa ? answer(env, close(arpa.get())) : wrongArgument(env);
}

napi_value closeArpaAsync(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readValues(env, info, values)) return wrongArgument(env);
  const auto arpa = arpaFrom(env, values[0]);
  return arpa ? startArpaJob(env, arpa, nullptr) : wrongArgument(env);
}

napi_value arpaMessage(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readValues(env, info, values)) return wrongArgument(env);
  const auto arpa = arpaFrom(env, values[0]);
  return arpa ? makeString(env, arpa->reader.error().c_str()) : wrongArgument(env);
}

napi_value arpaModel(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readValues(env, info, values)) return wrongArgument(env);
  const auto arpa = arpaFrom(env, values[0]);
  if (!arpa || !arpa->model) return wrongArgument(env);
  const napi_value handle = makeHandle(env, HandleKind::model, arpa->model, arpa->model->bytes());
  return handle == nullptr ? answer(env, Code::outOfMemory) : handle;
}

namespace {

napi_value makeDoubles(napi_env env, const std::vector<double>& numbers) {
  void* data = nullptr;
  napi_value buffer;
  napi_value array;
  if (napi_create_arraybuffer(env, numbers.size() * sizeof(double), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &array) !=
          napi_ok) {
    return nullptr;
  }
  for (size_t i = 0; i < numbers.size(); ++i) static_cast<double*>(data)[i] = numbers[i];
  return array;
}

}  // namespace

napi_value modelInfo(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readValues(env, info, values)) return wrongArgument(env);
  const auto model = fromHandle<const NGramModel>(env, values[0], HandleKind::model);
  if (!model) return wrongArgument(env);
  try {
    return makeDoubles(
        env, {static_cast<double>(model->order()), static_cast<double>(model->vocabularySize()),
              static_cast<double>(model->size()), static_cast<double>(model->bytes()),
              model->beginState() != NGramModel::root ? 1.0 : 0.0,
              model->endWord() != NGramModel::noWord ? 1.0 : 0.0,
              model->unknownWord() != NGramModel::noWord ? 1.0 : 0.0});
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

napi_value modelScore(napi_env env, napi_callback_info info) {
  napi_value values[4];
  std::vector<ArrayOf<uint8_t>> words;
  bool boundaries = false;
  try {
    if (!readValues(env, info, values) || !readTexts(env, values[1], values[2], &words) ||
        napi_get_value_bool(env, values[3], &boundaries) != napi_ok) {
      return wrongArgument(env);
    }
    const auto model = fromHandle<const NGramModel>(env, values[0], HandleKind::model);
    if (!model) return wrongArgument(env);
    std::vector<double> scores;
    int32_t state = boundaries ? model->beginState() : NGramModel::root;
    for (const ArrayOf<uint8_t>& text : words) {
      const int32_t word = model->word(textOf(text));
      const double score = model->score(state, word, &state);
      const bool unscored =
          word == NGramModel::noWord && model->unknownWord() == NGramModel::noWord;
      scores.push_back(unscored ? std::numeric_limits<double>::quiet_NaN() : score);
    }
    if (boundaries && model->endWord() != NGramModel::noWord) {
      scores.push_back(model->score(state, model->endWord(), &state));
    }
    return makeDoubles(env, scores);
  } catch (const std::bad_alloc&) {
    return answer(env, Code::outOfMemory);
  }
}

}  // namespace ctc
