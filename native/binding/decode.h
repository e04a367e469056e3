// Decoding, and what a guided search is guided by. Functions take typed arrays and handles (opaque
// values that own something native); lists of strings come as UTF-8 bytes and the end of each.
// A message is a string; undefined means that all went well. The other end is lib/decodeNative.ts.
#pragma once

#include <node_api.h>

namespace ctc {

// greedyDecodeSync(plan, input, undefined, result), beamDecodeSync(plan, input, guide, result): a
// Code. The input may be a handle of allocateDevice(). The results go into `result` as properties
// named as in decode.cpp.
napi_value greedyDecodeSync(napi_env env, napi_callback_info info);
napi_value beamDecodeSync(napi_env env, napi_callback_info info);

// The same off the JavaScript thread: a promise of a Code, or the Code when nothing started.
napi_value greedyDecodeAsync(napi_env env, napi_callback_info info);
napi_value beamDecodeAsync(napi_env env, napi_callback_info info);

// makeGuide(numbers, roles, tokens, tokenEnds, lm, lexicon, hotwords, hotwordEnds, weights): a
// handle, or a Code. numbers: LmUnit, alpha, beta, unkScore, sentence boundary.
napi_value makeGuide(napi_env env, napi_callback_info info);

// makeLexicon(words, wordEnds, labels | undefined, labelEnds | undefined): a handle, or a Code.
napi_value makeLexicon(napi_env env, napi_callback_info info);

// openArpa(): a reader. feedArpaSync(reader, bytes), feedArpa(reader, bytes): a Code or its
// promise; the bytes are copied. closeArpa(reader): a promise of a Code; closeArpaSync(reader): a
// Code. badArgument: the text is broken, arpaMessage(reader) says how.
napi_value openArpa(napi_env env, napi_callback_info info);
napi_value feedArpaSync(napi_env env, napi_callback_info info);
napi_value feedArpaAsync(napi_env env, napi_callback_info info);
napi_value closeArpaSync(napi_env env, napi_callback_info info);
napi_value closeArpaAsync(napi_env env, napi_callback_info info);
napi_value arpaMessage(napi_env env, napi_callback_info info);

// arpaModel(reader): the model's handle, after closeArpa.
napi_value arpaModel(napi_env env, napi_callback_info info);
// modelInfo(model): Float64Array of order, words, n-grams, bytes, and whether <s>, </s>, <unk>
// exist.
napi_value modelInfo(napi_env env, napi_callback_info info);
// modelScore(model, words, wordEnds, boundaries): Float64Array of the words' natural logs, then
// </s>'s when `boundaries` is true and the model has it; unknown words without <unk> give NaN.
napi_value modelScore(napi_env env, napi_callback_info info);

// Adds all of the above to the addon's exports.
void registerDecode(napi_env env, napi_value exports);

}  // namespace ctc
