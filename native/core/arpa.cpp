#include "core/arpa.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/hash.h"

namespace ctc {

namespace {

constexpr int64_t maxOrder = 16;
// A line adds up to maxOrder nodes, whose numbers are 32 bits wide.
constexpr int64_t maxNgrams = std::numeric_limits<int32_t>::max() - 1 - maxOrder;
constexpr size_t maxLine = 1 << 20;
constexpr double naturalOfLog10 = 2.302585092994046;

// A decimal number that is the whole text. Not strtod, which follows the process's locale.
bool parseNumber(std::string_view text, double* value) {
  size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++at;
  double mantissa = 0;
  int scale = 0;
  size_t digits = 0;
  bool point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      ++digits;
      if (mantissa < 1e17) {
        mantissa = mantissa * 10 + (c - '0');
        scale -= point ? 1 : 0;
      } else {
        scale += point ? 0 : 1;
      }
    } else {
      break;
    }
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool down = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (at == text.size()) return false;
    int exponent = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      exponent = std::min(exponent * 10 + (text[at] - '0'), 9999);
    }
    scale += down ? -exponent : exponent;
  }
  if (at != text.size()) return false;
  const double magnitude = mantissa == 0 ? 0
                           : scale < 0   ? mantissa / std::pow(10.0, -scale)
                                         : mantissa * std::pow(10.0, scale);
  *value = negative ? -magnitude : magnitude;
  return std::isfinite(*value);
}

bool parseCount(std::string_view text, int64_t* value) {
  if (text.empty() || text.size() > 18) return false;
  *value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  return true;
}

bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && isSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back())) text.remove_suffix(1);
  return text;
}

// For a message: the text cut short, with what would garble a terminal replaced.
std::string quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return out + (text.size() > 60 ? "...'" : "'");
}

std::string ngramName(int64_t level) { return std::to_string(level) + "-gram"; }

}  // namespace

int64_t NGramModel::bytes() const {
  const size_t node = 3 * sizeof(int32_t) + 2 * sizeof(float) + sizeof(uint8_t);
  return static_cast<int64_t>(parent_.capacity() * node + table_.capacity() * sizeof(int32_t)) +
         words_.bytes() + vocabulary_.bytes();
}

int32_t NGramModel::find(int32_t parent, int32_t word) const {
  if (parent == root) return word + 1;
  if (table_.empty()) return -1;
  const size_t mask = table_.size() - 1;
  for (size_t at = hashPair(parent, word) & mask;; at = (at + 1) & mask) {
    const int32_t node = table_[at];
    if (node < 0 || (parent_[node] == parent && word_[node] == word)) return node;
  }
}

double NGramModel::score(int32_t state, int32_t word, int32_t* next) const {
  if (word == noWord) word = unknown_;
  if (word == noWord) {
    *next = root;
    return 0;
  }
  double backedOff = 0;
  for (;;) {
    const int32_t node = find(state, word);
    if (node >= 0) {
      *next = node;
      return backedOff + logProb_[node];
    }
    backedOff += backoff_[state];
    state = suffix_[state];
  }
}

int32_t NGramModel::append(int32_t parent, int32_t word, float logProb, float backoff,
                           uint8_t level) {
  parent_.push_back(parent);
  word_.push_back(word);
  suffix_.push_back(root);
  logProb_.push_back(logProb);
  backoff_.push_back(backoff);
  level_.push_back(level);
  const int32_t node = static_cast<int32_t>(parent_.size()) - 1;
  if (level >= 2) index(node);
  return node;
}

void NGramModel::index(int32_t node) {
  const auto place = [this](int32_t n) {
    const size_t mask = table_.size() - 1;
    size_t at = hashPair(parent_[n], word_[n]) & mask;
    while (table_[at] >= 0) at = (at + 1) & mask;
    table_[at] = n;
  };
  ++indexed_;
  if (indexed_ * 3 > static_cast<int64_t>(table_.size()) * 2) {
    table_.assign(table_.empty() ? 1024 : table_.size() * 2, -1);
    for (int32_t n = 1; n < node; ++n) {
      if (level_[n] >= 2) place(n);
    }
  }
  place(node);
}

// Suffixes, and the probabilities of contexts that the file uses without listing them: such a
// context is worth what backing off gives it. Shorter n-grams first, since longer ones need them.
void NGramModel::complete() {
  std::vector<double> highestBackoff(order_ + 1, 0);
  highestScore_ = 0;
  for (int level = 2; level <= order_; ++level) {
    for (size_t node = 1; node < parent_.size(); ++node) {
      if (level_[node] != level) continue;
      int32_t shorter = suffix_[parent_[node]];
      int32_t found = find(shorter, word_[node]);
      while (found < 0) {
        shorter = suffix_[shorter];
        found = find(shorter, word_[node]);
      }
      suffix_[node] = found;
      if (std::isnan(logProb_[node])) {
        int32_t next;
        const int32_t parent = parent_[node];
        logProb_[node] =
            static_cast<float>(backoff_[parent] + score(suffix_[parent], word_[node], &next));
      }
    }
  }
  for (size_t node = 1; node < parent_.size(); ++node) {
    double& highest = highestBackoff[level_[node]];
    highest = std::max(highest, static_cast<double>(backoff_[node]));
    highestScore_ = std::max(highestScore_, static_cast<double>(logProb_[node]));
  }
  for (const double highest : highestBackoff) highestScore_ += highest;
  for (int32_t word = 0; word < words_.size(); ++word) {
    vocabulary_.addText(words_.text(word), word);
  }
}

ArpaReader::ArpaReader() : model_(std::make_shared<NGramModel>()) {
  model_->append(-1, NGramModel::noWord, 0, 0, 0);
}

bool ArpaReader::fail(const std::string& message) {
  errorLine_ = lineNumber_;
  error_ = "line " + std::to_string(lineNumber_) + ": " + message;
  return false;
}

bool ArpaReader::feed(const char* text, size_t length) {
  if (!error_.empty()) return false;
  std::string_view rest(text, length);
  for (;;) {
    const size_t end = rest.find('\n');
    if ((end == std::string_view::npos ? rest.size() : end) + carry_.size() > maxLine) {
      ++lineNumber_;
      return fail("longer than 1 MiB, so this is not ARPA text");
    }
    if (end == std::string_view::npos) {
      carry_.append(rest);
      return true;
    }
    bool good;
    if (carry_.empty()) {
      good = line(rest.substr(0, end));
    } else {
      carry_.append(rest.substr(0, end));
      good = line(carry_);
      carry_.clear();
    }
    if (!good) return false;
    rest.remove_prefix(end + 1);
  }
}

std::shared_ptr<const NGramModel> ArpaReader::finish() {
  if (!error_.empty()) return nullptr;
  if (!carry_.empty() && !line(carry_)) return nullptr;
  if (part_ == Part::before) {
    fail("the text ended without a \\data\\ line, so this is not an ARPA file");
    return nullptr;
  }
  if (part_ != Part::done) {
    fail("the text ended without \\end\\, so the file is cut short; fetch it again");
    return nullptr;
  }
  model_->complete();
  return std::move(model_);
}

bool ArpaReader::line(std::string_view text) {
  ++lineNumber_;
  if (lineNumber_ == 1 && text.substr(0, 8) == "mmap lm ") {
    return fail("this is a KenLM binary; give the ARPA text that it was built from");
  }
  text = trim(text);
  if (text.empty() || part_ == Part::done) return true;
  if (part_ == Part::before) {
    if (text == "\\data\\") part_ = Part::counts;
    return true;
  }
  if (text[0] == '\\' && (text == "\\end\\" || text.find("-grams:") != std::string_view::npos)) {
    return sectionLine(text);
  }
  return part_ == Part::counts ? countLine(text) : ngramLine(text);
}

bool ArpaReader::countLine(std::string_view text) {
  const size_t equals = text.find('=');
  int64_t level = 0;
  int64_t count = 0;
  if (text.substr(0, 5) != "ngram" || equals == std::string_view::npos ||
      !parseCount(trim(text.substr(5, equals - 5)), &level) ||
      !parseCount(trim(text.substr(equals + 1)), &count)) {
    return fail("expected 'ngram ORDER=COUNT' or '\\1-grams:', found " + quote(text));
  }
  if (level != static_cast<int64_t>(counts_.size()) + 1) {
    return fail("order " + std::to_string(level) + " where order " +
                std::to_string(counts_.size() + 1) + " was due; list the counts from 1 upwards");
  }
  if (level > maxOrder) {
    return fail("orders above " + std::to_string(maxOrder) + " are not supported");
  }
  if (count > maxNgrams) {
    return fail(std::to_string(count) + " " + ngramName(level) + "s; at most " +
                std::to_string(maxNgrams) + " are supported");
  }
  counts_.push_back(count);
  return true;
}

bool ArpaReader::sectionComplete() {
  if (level_ == 0 || read_ == counts_[level_ - 1]) return true;
  return fail(std::to_string(read_) + " " + ngramName(level_) +
              "s were listed, but \\data\\ says " + std::to_string(counts_[level_ - 1]) +
              "; the file is damaged or cut short");
}

bool ArpaReader::sectionLine(std::string_view text) {
  if (counts_.empty()) return fail("\\data\\ lists no counts ('ngram 1=...')");
  if (!sectionComplete()) return false;
  const int64_t orders = static_cast<int64_t>(counts_.size());
  if (text == "\\end\\") {
    if (level_ != orders) {
      return fail("\\end\\ where \\" + ngramName(level_ + 1) + "s: was due");
    }
    model_->order_ = static_cast<int32_t>(orders);
    part_ = Part::done;
    return true;
  }
  const std::string due = level_ < orders ? "\\" + ngramName(level_ + 1) + "s:" : "\\end\\";
  if (text != due) return fail("expected " + due + ", found " + quote(text));
  ++level_;
  read_ = 0;
  part_ = Part::ngrams;
  return true;
}

bool ArpaReader::ngramLine(std::string_view text) {
  fields_.clear();
  for (size_t at = 0; at < text.size() && fields_.size() <= size_t(level_) + 2;) {
    size_t end = at;
    while (end < text.size() && !isSpace(text[end])) ++end;
    fields_.push_back(text.substr(at, end - at));
    at = end;
    while (at < text.size() && isSpace(text[at])) ++at;
  }
  const size_t words = static_cast<size_t>(level_);
  if (fields_.size() != words + 1 && fields_.size() != words + 2) {
    return fail("a " + ngramName(level_) + " line has a log10 probability, " +
                std::to_string(level_) + (level_ == 1 ? " word" : " words") +
                " and perhaps a back-off weight; found " + quote(text));
  }
  double probability = 0;
  double backoff = 0;
  if (!parseNumber(fields_[0], &probability)) {
    return fail("the probability " + quote(fields_[0]) + " is not a finite number");
  }
  if (probability > 0) {
    return fail("the log10 probability " + quote(fields_[0]) + " is above 0");
  }
  if (fields_.size() == words + 2 && !parseNumber(fields_[words + 1], &backoff)) {
    return fail("the back-off weight " + quote(fields_[words + 1]) + " is not a finite number");
  }
  // Far beyond what float holds as a probability, near enough for sums to stay finite.
  constexpr double limit = 1e6;
  if (probability < -limit || backoff < -limit || backoff > limit) {
    return fail("a weight beyond 1e6 in " + quote(text));
  }
  if (++read_ > counts_[level_ - 1]) {
    return fail("more " + ngramName(level_) + "s than the " + std::to_string(counts_[level_ - 1]) +
                " that \\data\\ says");
  }
  if (model_->size() >= maxNgrams) return fail("too many n-grams");
  const float logProb = static_cast<float>(probability * naturalOfLog10);
  // Nothing backs off from the longest n-grams, whatever a file writes there.
  const bool longest = level_ == static_cast<int64_t>(counts_.size());
  const float logBackoff = longest ? 0 : static_cast<float>(backoff * naturalOfLog10);

  if (level_ == 1) {
    bool added;
    const std::string_view spelled = fields_[1];
    const int32_t word = model_->words_.add(spelled, &added);
    if (!added) return fail("the word " + quote(spelled) + " is listed twice");
    model_->append(NGramModel::root, word, logProb, logBackoff, 1);
    if (spelled == "<s>") model_->begin_ = word;
    if (spelled == "</s>") model_->end_ = word;
    if (spelled == "<unk>" || (spelled == "<UNK>" && model_->unknown_ == NGramModel::noWord)) {
      model_->unknown_ = word;
    }
    return true;
  }

  int32_t context = NGramModel::root;
  for (size_t i = 1; i <= words; ++i) {
    const int32_t word = model_->words_.find(fields_[i]);
    if (word == WordList::none) {
      return fail("the word " + quote(fields_[i]) + " is not among the 1-grams");
    }
    const int32_t node = model_->find(context, word);
    const uint8_t level = static_cast<uint8_t>(i);
    if (i < words) {
      const float unlisted = std::numeric_limits<float>::quiet_NaN();  // see complete()
      context = node >= 0 ? node : model_->append(context, word, unlisted, 0, level);
    } else if (node < 0) {
      model_->append(context, word, logProb, logBackoff, level);
    } else {
      return fail("this " + ngramName(level_) + " is listed twice");
    }
  }
  return true;
}

}  // namespace ctc
