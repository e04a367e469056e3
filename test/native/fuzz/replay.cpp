// The fuzzers' targets without a fuzzer: on bytes at random, and on files (main.cpp).
#include "replay.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "../check.h"
#include "targets.h"

namespace ctc::test {
namespace {

void runAtRandom(const char* name, int rounds, size_t mostBytes) {
  std::mt19937 random(7);
  for (const FuzzTarget& target : fuzzTargets) {
    if (std::string(name) != target.name) continue;
    for (int round = 0; round < rounds; ++round) {
      std::vector<uint8_t> bytes(random() % mostBytes);
      for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
      target.run(bytes.data(), bytes.size());
    }
  }
}

}  // namespace

TEST(fuzz_loss_at_random) { runAtRandom("loss", 150, 400); }
TEST(fuzz_align_at_random) { runAtRandom("align", 150, 400); }
TEST(fuzz_posteriors_at_random) { runAtRandom("posteriors", 100, 400); }
TEST(fuzz_greedy_at_random) { runAtRandom("greedy", 100, 400); }
TEST(fuzz_beam_at_random) { runAtRandom("beam", 100, 400); }
TEST(fuzz_arpa_at_random) { runAtRandom("arpa", 100, 400); }

void eachInput(
    const char* folder,
    const std::function<void(const std::string& path, const std::function<void()>& run)>& visit) {
  namespace fs = std::filesystem;
  for (const FuzzTarget& target : fuzzTargets) {
    const fs::path inputs = fs::path(folder) / target.name;
    if (!fs::is_directory(inputs)) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(inputs)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      visit(entry.path().string(),
            [&] { target.run(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()); });
    }
  }
}

}  // namespace ctc::test
