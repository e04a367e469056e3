#include "binding/edits.h"

#include <algorithm>
#include <array>
#include <new>

#include "binding/arguments.h"
#include "ctc/edits.h"

namespace ctc {
namespace {

using Text = std::array<char16_t, 2048>;

// Of a text that fills the memory the rest is not there.
bool readText(napi_env env, napi_value value, Text* text, size_t* length) {
  return napi_get_value_string_utf16(env, value, text->data(), text->size(), length) == napi_ok;
}

bool countInto(const Text& reference, size_t n, const Text& hypothesis, size_t m, int32_t* counts) {
  if (std::max(n, m) + 1 == reference.size()) return false;
  TextEdits edits;
  try {
    if (!countTextEdits(reference.data(), static_cast<int64_t>(n), hypothesis.data(),
                        static_cast<int64_t>(m), &edits)) {
      return false;
    }
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (const EditCounts& each : {edits.characters, edits.words}) {
    for (const int32_t count : {each.reference, each.hypothesis, each.errors, each.substitutions}) {
      *counts++ = count;
    }
  }
  return true;
}

napi_value textEdits(napi_env env, napi_callback_info info) {
  napi_value values[3];
  size_t given = 3;
  Text reference;
  Text hypothesis;
  size_t n;
  size_t m;
  ArrayOf<int32_t> counts;
  if (napi_get_cb_info(env, info, &given, values, nullptr, nullptr) != napi_ok ||
      !readText(env, values[0], &reference, &n) || !readText(env, values[1], &hypothesis, &m) ||
      !readInts(env, values[2], &counts) || counts.length < 8) {
    return wrongArgument(env);
  }
  napi_value answer = nullptr;
  napi_get_boolean(env, countInto(reference, n, hypothesis, m, counts.data), &answer);
  return answer;
}

}  // namespace

void registerEdits(napi_env env, napi_value exports) {
  setFunction(env, exports, "countTextEdits", textEdits);
}

}  // namespace ctc
