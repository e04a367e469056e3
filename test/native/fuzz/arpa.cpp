// The reader of language models: any text is a model or an error that names its line, whatever
// pieces it comes in; a model's scores are finite and none is above the highest.
#include <cmath>
#include <memory>
#include <string>

#include "../check.h"
#include "bytes.h"
#include "core/arpa.h"
#include "targets.h"

namespace ctc::test {
namespace {

struct Read {
  std::shared_ptr<const NGramModel> model;
  std::string error;
};

Read readInPieces(const char* text, size_t length, size_t piece) {
  ArpaReader reader;
  for (size_t at = 0; at < length; at += piece) {
    // A copy of its own, so that a look beyond the end of a piece is found.
    const std::string part(text + at, std::min(piece, length - at));
    const std::unique_ptr<char[]> copy(new char[part.size()]);
    part.copy(copy.get(), part.size());
    if (!reader.feed(copy.get(), part.size())) break;
  }
  Read read;
  read.model = reader.finish();
  read.error = reader.error();
  CHECK_EQ(read.model == nullptr, !read.error.empty());
  if (!read.model) {
    const std::string place = "line " + std::to_string(reader.errorLine()) + ": ";
    CHECK_EQ(read.error.substr(0, place.size()), place);
    CHECK(read.error.find('\n') == std::string::npos);
  }
  return read;
}

void checkModel(const NGramModel& model, Bytes& bytes) {
  CHECK(model.order() >= 1);
  CHECK(model.bytes() > 0);
  int32_t state = bytes.flag() ? model.beginState() : NGramModel::root;
  for (int words = 0; words < 40; ++words) {
    const auto word =
        static_cast<int32_t>(bytes.below(model.vocabularySize() + 1)) - 1;  // -1: unknown
    const double score = model.score(state, word, &state);
    CHECK(std::isfinite(score));
    CHECK(score <= model.highestScore() + 1e-6 * (1 + model.highestScore()));
    CHECK(state >= 0 && state <= model.size());
  }
}

}  // namespace

void fuzzArpa(const uint8_t* data, size_t size) {
  const auto* const text = reinterpret_cast<const char*>(data);
  const Read whole = readInPieces(text, size, size + 1);
  Bytes bytes(data, size);
  const Read pieces = readInPieces(text, size, static_cast<size_t>(bytes.between(1, 40)));
  CHECK_EQ(whole.error, pieces.error);
  CHECK_EQ(whole.model == nullptr, pieces.model == nullptr);
  if (whole.model) checkModel(*whole.model, bytes);
}

}  // namespace ctc::test
