// A test registers itself:
//
//   TEST(lattice_counts_repeats) { CHECK_EQ(framesNeeded(...), 7); }
//
// A failed check is reported with its values and the test goes on, so one run tells all of them.
// Checks may be called from any thread.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

namespace ctc::test {

using Body = void (*)();

struct Registration {
  Registration(const char* name, const char* file, Body body);
};

void fail(const char* file, int line, const std::string& message);

template <typename A, typename B>
void checkEqual(const A& actual, const B& expected, const char* text, const char* file, int line) {
  if (actual == expected) return;
  std::ostringstream message;
  message.precision(17);
  message << text << ": got " << actual << ", expected " << expected;
  fail(file, line, message.str());
}

// |actual - expected| <= tolerance * max(1, |expected|); NaN equals NaN, an infinity itself.
inline void checkNear(double actual, double expected, double tolerance, const char* text,
                      const char* file, int line) {
  if (std::isnan(actual) && std::isnan(expected)) return;
  if (actual == expected) return;
  if (std::fabs(actual - expected) <= tolerance * std::fmax(1.0, std::fabs(expected))) return;
  std::ostringstream message;
  message.precision(17);
  message << text << ": got " << actual << ", expected " << expected << " within " << tolerance;
  fail(file, line, message.str());
}

}  // namespace ctc::test

#define TEST(name)                                                                   \
  static void name();                                                                \
  static const ::ctc::test::Registration name##Registration(#name, __FILE__, &name); \
  static void name()

#define CHECK(condition) \
  ((condition) ? void() : ::ctc::test::fail(__FILE__, __LINE__, "not true: " #condition))

#define CHECK_EQ(actual, expected) \
  ::ctc::test::checkEqual((actual), (expected), #actual, __FILE__, __LINE__)

#define CHECK_NEAR(actual, expected, tolerance) \
  ::ctc::test::checkNear((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)
