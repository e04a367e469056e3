#include "fuzz_case.h"

#include <algorithm>
#include <cmath>

namespace ctc::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Numbers of every kind; those of the middle are the most common.
double readValue(Bytes& bytes, DType dtype) {
  const double odd[] = {nan,    infinity, -infinity, 0.0,   -0.0,   1e30,   -1e30,  88.8,
                        -103.9, 709.9,    -745.2,    1e308, -1e308, 1e-310, 65504,  -65504,
                        3.3e38, -3.3e38,  1e-45,     -1e5,  1e5,    1e12,   -12345, 2e6};
  const uint8_t choice = bytes.byte();
  if (choice < sizeof odd / sizeof *odd) return rounded(odd[choice], dtype);
  if (choice == 30) return rounded(bytes.bits<double>(), dtype);
  if (choice == 31) return rounded(bytes.bits<float>(), dtype);
  return rounded((choice - 144) / 16.0, dtype);
}

void fillAtRandom(LossCase& c, Bytes& bytes) {
  std::mt19937 random(bytes.bits<uint16_t>());
  const double spreads[] = {1, 0.01, 5, 30, 300, 1e4};
  std::normal_distribution<double> normal(0, spreads[bytes.below(6)]);
  for (double& x : c.values) x = normal(random);
  if (c.kind == Input::logProbs && bytes.flag()) {
    for (size_t row = 0; row < c.values.size(); row += static_cast<size_t>(c.classes)) {
      double sum = 0;
      double* const x = c.values.data() + row;
      for (int64_t k = 0; k < c.classes; ++k) sum += std::exp(x[k]);
      for (int64_t k = 0; k < c.classes; ++k) x[k] -= std::log(sum);
    }
  }
  for (double& x : c.values) x = rounded(x, c.dtype);
  if (c.values.empty()) return;
  for (int64_t odd = bytes.below(8); odd > 0; --odd) {
    c.values[static_cast<size_t>(bytes.below(static_cast<int64_t>(c.values.size())))] =
        readValue(bytes, c.dtype);
  }
}

}  // namespace

LossCase readCase(Bytes& bytes, const Most& most) {
  LossCase c;
  c.dtype = static_cast<DType>(bytes.below(4));
  c.kind = static_cast<Input>(bytes.below(2));
  if (c.kind == Input::logProbs) c.gradientOf = static_cast<GradientOf>(bytes.below(2));
  const bool small = bytes.flag();
  c.frames = bytes.below(small ? 9 : most.frames + 1);
  c.classes = bytes.between(1, small ? 6 : most.classes);
  c.blank = static_cast<int32_t>(bytes.below(c.classes));
  const int64_t utterances = bytes.below(most.utterances + 1);
  for (int64_t n = 0; n < utterances; ++n) {
    // Targets that fit are the more interesting ones.
    const int64_t length = bytes.oneIn(3) ? bytes.below(c.frames + 1) : c.frames;
    const int64_t longest = std::min(most.labels, bytes.oneIn(8) ? length + 2 : length / 2 + 1);
    Labels target(static_cast<size_t>(c.classes > 1 ? bytes.below(longest + 1) : 0));
    std::mt19937 random(bytes.byte());
    const auto distinct =
        static_cast<uint32_t>(bytes.oneIn(2) ? c.classes - 1 : std::min<int64_t>(c.classes - 1, 2));
    for (int32_t& label : target) {
      label = static_cast<int32_t>(random() % distinct);
      if (label >= c.blank) ++label;
    }
    c.targets.push_back(target);
    c.lengths.push_back(length);
  }
  if (bytes.oneIn(3)) {
    for (int64_t n = 0; n < utterances; ++n) c.scales.push_back(bytes.bits<int8_t>() / 16.0);
  }
  c.values.resize(static_cast<size_t>(c.frames * utterances * c.classes));
  if (bytes.flag()) {
    for (double& x : c.values) x = readValue(bytes, c.dtype);
  } else {
    fillAtRandom(c, bytes);
  }
  return c;
}

Placement readPlacement(Bytes& bytes) {
  Placement placement;
  placement.batchMajor = bytes.flag();
  for (bool& reversed : placement.reversed) reversed = bytes.oneIn(4);
  placement.classStep = bytes.oneIn(3) ? bytes.between(1, 5) : 1;
  placement.padding = bytes.oneIn(3) ? bytes.below(20) : 0;
  return placement;
}

bool isModerate(const LossCase& c) {
  return std::all_of(c.values.begin(), c.values.end(),
                     [](double x) { return std::fabs(x) <= 100 || x == -infinity; });
}

RawTargets::RawTargets(const LossCase& c) : lengths(c.lengths), blank(c.blank) {
  for (const Labels& target : c.targets) {
    labels.insert(labels.end(), target.begin(), target.end());
    offsets.push_back(static_cast<int64_t>(labels.size()));
  }
}

void RawTargets::spoil(Bytes& bytes) {
  const auto any = [&bytes](auto& numbers) -> auto& {
    return numbers[static_cast<size_t>(bytes.below(static_cast<int64_t>(numbers.size())))];
  };
  const int64_t end = offsets.back();
  for (int64_t times = bytes.between(1, 3); times > 0; --times) {
    switch (bytes.below(4)) {
      case 0:
        if (!labels.empty()) any(labels) = static_cast<int32_t>(bytes.integer());
        break;
      case 1:
        any(offsets) = bytes.integer();
        break;
      case 2:
        if (!lengths.empty()) any(lengths) = bytes.integer();
        break;
      default:
        blank = static_cast<int32_t>(bytes.integer());
    }
  }
  offsets.back() = std::min(offsets.back(), end);
}

bool RawTargets::inRange(const LossCase& c, bool star) const {
  if (blank < 0 || blank >= c.classes) return false;
  if (lengths.empty()) return true;
  if (offsets[0] != 0 || !std::is_sorted(offsets.begin(), offsets.end())) return false;
  if (std::any_of(lengths.begin(), lengths.end(),
                  [&](int64_t length) { return length < 0 || length > c.frames; })) {
    return false;
  }
  return std::all_of(labels.begin(), labels.begin() + offsets.back(), [&](int32_t label) {
    return label >= 0 && label < c.classes + (star ? 1 : 0) && label != blank;
  });
}

}  // namespace ctc::test
