// Typed arrays as spans, and plain values as arguments. Nothing here runs JavaScript or throws: a
// wrong argument is a mistake of lib/, answered by false and one TypeError.
//
// The binding speaks plain Node-API and checks or ignores each status on purpose: while a worker is
// being terminated any call may fail, and wrappers that turn a failure into an exception, or into a
// fatal error where none can be thrown, abort the whole process then.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace ctc {

// A view's memory; valid until JavaScript runs again, unless it is known to stay.
struct Span {
  void* data = nullptr;
  size_t bytes = 0;
};

// Any typed array; undefined gives a null span.
bool readSpan(napi_env env, napi_value value, Span* span);

template <class T>
struct ArrayOf {
  T* data = nullptr;
  size_t length = 0;
};

bool readDoubles(napi_env env, napi_value value, ArrayOf<double>* array);
bool readInts(napi_env env, napi_value value, ArrayOf<int32_t>* array);
bool readBytes(napi_env env, napi_value value, ArrayOf<uint8_t>* array);

// False unless `value` is an integer of at most 53 bits.
bool toInteger(double value, int64_t* integer);

// Leaves a TypeError pending (if one can be) and returns null, for a function to return.
napi_value wrongArgument(napi_env env);

napi_value makeNumber(napi_env env, double value);
napi_value makeString(napi_env env, const char* value);

// Adds a function or value to `object`; a failure means that the environment is going away.
void setFunction(napi_env env, napi_value object, const char* name, napi_callback function);
void setValue(napi_env env, napi_value object, const char* name, napi_value value);

}  // namespace ctc
