// The emulated backend as a library of its own, for tests from JavaScript: NODE_CTC_CUDA names it.
// CTC_EMULATED_DEVICES, CTC_EMULATED_MEMORY (bytes) and CTC_EMULATED_FAIL (a runtime function or
// "kernel", a colon, and which of its calls fails, from 1) set what the C++ tests set by hand.
#include <cstdlib>
#include <string>

#include "ctc/backend.h"
#include "cuda/emulation/runtime.h"

extern "C" const ctc::Backend* ctc_backend(int32_t abi);

namespace {

// Pulls the backend out of its archive, and reads the environment when the library is opened.
struct Environment {
  std::string failingCall;
  decltype(&ctc_backend) entry = &ctc_backend;

  Environment() {
    ctc::emulation::Options& options = ctc::emulation::options;
    if (const char* devices = std::getenv("CTC_EMULATED_DEVICES")) {
      options.devices = std::atoi(devices);
    }
    if (const char* bytes = std::getenv("CTC_EMULATED_MEMORY")) {
      options.memoryBytes = std::atoll(bytes);
    }
    if (const char* fail = std::getenv("CTC_EMULATED_FAIL")) {
      failingCall = fail;
      const size_t colon = failingCall.find(':');
      if (colon == std::string::npos) return;
      options.failingCount = std::atoi(failingCall.c_str() + colon + 1);
      failingCall.resize(colon);
      options.failingCall = failingCall.c_str();
    }
  }
};
Environment environment;

}  // namespace
