#include "binding/arguments.h"

#include <cmath>

namespace ctc {
namespace {

size_t elementBytes(napi_typedarray_type type) {
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 1;
  }
}

template <class T>
bool readArray(napi_env env, napi_value value, napi_typedarray_type expected, ArrayOf<T>* array) {
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &array->length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != expected) {
    return false;
  }
  array->data = static_cast<T*>(data);
  return true;
}

}  // namespace

bool readSpan(napi_env env, napi_value value, Span* span) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok) {
    span->data = data;
    span->bytes = length * elementBytes(type);
    return true;
  }
  napi_valuetype kind;
  *span = Span{};
  return napi_typeof(env, value, &kind) == napi_ok && kind == napi_undefined;
}

bool readDoubles(napi_env env, napi_value value, ArrayOf<double>* array) {
  return readArray(env, value, napi_float64_array, array);
}

bool readInts(napi_env env, napi_value value, ArrayOf<int32_t>* array) {
  return readArray(env, value, napi_int32_array, array);
}

bool readBytes(napi_env env, napi_value value, ArrayOf<uint8_t>* array) {
  return readArray(env, value, napi_uint8_array, array);
}

bool toInteger(double value, int64_t* integer) {
  constexpr double most = 9007199254740991.0;
  if (!(value >= -most && value <= most) || value != std::trunc(value)) return false;
  *integer = static_cast<int64_t>(value);
  return true;
}

napi_value wrongArgument(napi_env env) {
  napi_throw_type_error(env, "ERR_CTC_INVALID_ARG_TYPE", "wrong argument to a native function");
  return nullptr;
}

napi_value makeNumber(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value makeString(napi_env env, const char* value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
  return result;
}

void setFunction(napi_env env, napi_value object, const char* name, napi_callback function) {
  napi_value value;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value) == napi_ok) {
    setValue(env, object, name, value);
  }
}

void setValue(napi_env env, napi_value object, const char* name, napi_value value) {
  if (value != nullptr) napi_set_named_property(env, object, name, value);
}

}  // namespace ctc
