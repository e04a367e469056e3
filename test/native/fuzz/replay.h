// Inputs that a fuzzer found, run again.
#pragma once

#include <functional>
#include <string>

namespace ctc::test {

// Calls visit(path, run) for every file of folder/TARGET; run() gives the file to the target.
void eachInput(
    const char* folder,
    const std::function<void(const std::string& path, const std::function<void()>& run)>& visit);

}  // namespace ctc::test
