// Runs every registered test, or those whose name contains one of the arguments.
// Closes with "N passed, N failed"; the exit code is 1 when a test failed or none ran.
// --isas prints the instruction sets that NODE_CTC_ISA may name here, one a line.
// --replay FOLDER runs the fuzzers' targets on the files of FOLDER/TARGET.
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

#include "check.h"
#include "cpu/dispatch.h"
#include "fuzz/replay.h"

namespace ctc::test {
namespace {

struct Test {
  const char* name;
  const char* file;
  Body body;
};

// A function's static: registrations run before main, in no fixed order between files.
std::vector<Test>& allTests() {
  static std::vector<Test> tests;
  return tests;
}

std::mutex failureMutex;
int failuresOfTest = 0;

bool isWanted(const Test& test, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i) {
    if (std::strstr(test.name, argv[i]) != nullptr) return true;
  }
  return false;
}

}  // namespace

Registration::Registration(const char* name, const char* file, Body body) {
  allTests().push_back({name, file, body});
}

void fail(const char* file, int line, const std::string& message) {
  const std::lock_guard<std::mutex> lock(failureMutex);
  ++failuresOfTest;
  // A wrong kernel fails a check per cell: the first few tell enough.
  if (failuresOfTest <= 10) std::printf("  %s:%d: %s\n", file, line, message.c_str());
}

class Tally {
 public:
  void run(const char* name, const char* file, const std::function<void()>& body) {
    failuresOfTest = 0;
    try {
      body();
    } catch (const std::exception& error) {
      fail(file, 0, std::string("unexpected exception: ") + error.what());
    }
    if (failuresOfTest == 0) {
      ++passed_;
    } else {
      ++failed_;
      std::printf("FAILED %s (%d checks)\n", name, failuresOfTest);
    }
    std::fflush(stdout);
  }

  // The exit code.
  int close() const {
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0 && passed_ > 0 ? 0 : 1;
  }

 private:
  int passed_ = 0;
  int failed_ = 0;
};

int run(int argc, char** argv) {
  Tally tally;
  for (const Test& test : allTests()) {
    if (isWanted(test, argc, argv)) tally.run(test.name, test.file, test.body);
  }
  return tally.close();
}

int replay(const char* folder) {
  Tally tally;
  eachInput(folder, [&](const std::string& path, const std::function<void()>& body) {
    tally.run(path.c_str(), path.c_str(), body);
  });
  return tally.close();
}

}  // namespace ctc::test

int main(int argc, char** argv) {
  if (ctc::isaProblem() != nullptr) {
    std::printf("%s\n", ctc::isaProblem());
    return 1;
  }
  if (argc == 2 && std::strcmp(argv[1], "--isas") == 0) {
    const ctc::IsaList isas = ctc::availableIsas();
    for (int i = 0; i < isas.count; ++i) std::printf("%s\n", isas.names[i]);
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "--replay") == 0) return ctc::test::replay(argv[2]);
  return ctc::test::run(argc, argv);
}
