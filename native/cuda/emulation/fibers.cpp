// Threads of a block as fibers of one host thread.
#if !defined(_WIN32)
// Its check of longjmp knows one stack only.
#undef _FORTIFY_SOURCE
#include "cuda/emulation/fibers.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <memory>
#include <vector>

thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace ctc {
namespace emulation {
namespace {

constexpr size_t stackBytes = size_t{96} << 10;
constexpr int lanes = 32;

enum class Wait { none, barrier, warp, done };

struct Fiber {
  std::unique_ptr<char[]> stack;
  ucontext_t context;
  jmp_buf jump;
  bool started = false;
  Wait wait = Wait::none;
  dim3 index;
  Place at{nullptr, 0};
};

// One warp's exchange. `result` is read by every lane before the next one can be complete.
struct Warp {
  unsigned arrived = 0;
  unsigned mask = 0;
  Place at{nullptr, 0};
  uint64_t posted[lanes];
  uint64_t result[lanes];
};

class Block {
 public:
  // False when its threads went astray; problem() says how.
  bool run(unsigned threads, const std::function<void()>& body, uint64_t* random) {
    while (fibers_.size() < threads) fibers_.push_back(makeFiber());
    body_ = &body;
    random_ = random;
    count_ = threads;
    warps_.assign((threads + lanes - 1) / lanes, Warp());
    ready_.clear();
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i]->wait = Wait::none;
      fibers_[i]->index = dim3(i);
      ready_.push_back(i);
    }
    failed_ = false;
    while (!failed_ && advance()) {
    }
    // Fibers that are stuck somewhere cannot be used again.
    if (failed_) fibers_.clear();
    return !failed_;
  }

  void barrier(Place at) {
    Fiber& self = *fibers_[current_];
    self.at = at;
    self.wait = Wait::barrier;
    leave();
  }

  uint64_t exchange(Place at, unsigned mask, uint64_t value, int source) {
    const unsigned lane = current_ % lanes;
    Warp& warp = warps_[current_ / lanes];
    if (warp.arrived == 0) {
      warp.mask = mask;
      warp.at = at;
    }
    if ((mask & (1U << lane)) == 0 || mask != warp.mask || !same(at, warp.at)) {
      fail("lanes of a warp meet at different places", at);
      leave();
    }
    warp.posted[lane] = value;
    warp.arrived |= 1U << lane;
    if (warp.arrived == mask) {
      std::memcpy(warp.result, warp.posted, sizeof warp.result);
      warp.arrived = 0;
      const unsigned first = current_ / lanes * lanes;
      for (unsigned i = first; i < first + lanes && i < count_; ++i) {
        if (fibers_[i]->wait == Wait::warp) {
          fibers_[i]->wait = Wait::none;
          ready_.push_back(i);
        }
      }
    } else {
      fibers_[current_]->at = at;
      fibers_[current_]->wait = Wait::warp;
      leave();
    }
    const bool inside = source >= 0 && source < lanes && (mask & (1U << source)) != 0;
    return warp.result[inside ? source : static_cast<int>(lane)];
  }

  unsigned lane() const { return current_ % lanes; }
  const std::string& problem() const { return problem_; }

 private:
  static bool same(Place a, Place b) {
    return a.line == b.line && std::strcmp(a.file, b.file) == 0;
  }

  std::unique_ptr<Fiber> makeFiber() {
    auto fiber = std::make_unique<Fiber>();
    fiber->stack.reset(new char[stackBytes]);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack.get();
    fiber->context.uc_stack.ss_size = stackBytes;
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, &Block::enter, 0);
    return fiber;
  }

  static void enter();

  // Runs one fiber until it waits. False when all are done.
  bool advance() {
    if (ready_.empty()) return release();
    const size_t pick = static_cast<size_t>(next() % ready_.size());
    current_ = ready_[pick];
    ready_[pick] = ready_.back();
    ready_.pop_back();
    Fiber& fiber = *fibers_[current_];
    threadIdx = fiber.index;
    if (_setjmp(scheduler_) == 0) {
      if (fiber.started) _longjmp(fiber.jump, 1);
      fiber.started = true;
      setcontext(&fiber.context);
    }
    return true;
  }

  // Everybody waits: for a barrier that all have reached, or for nothing that will come.
  bool release() {
    unsigned done = 0;
    const Fiber* waiting = nullptr;
    for (unsigned i = 0; i < count_; ++i) {
      const Fiber& fiber = *fibers_[i];
      if (fiber.wait == Wait::done) {
        ++done;
        continue;
      }
      if (fiber.wait == Wait::warp) {
        fail("a lane of the warp does not come to the shuffle", fiber.at);
        return false;
      }
      if (waiting != nullptr && !same(waiting->at, fiber.at)) {
        fail("threads of the block wait at different barriers", fiber.at);
        return false;
      }
      waiting = &fiber;
    }
    if (done == count_) return false;
    if (done > 0) {
      fail("a thread of the block ended before the barrier", waiting->at);
      return false;
    }
    for (unsigned i = 0; i < count_; ++i) {
      fibers_[i]->wait = Wait::none;
      ready_.push_back(i);
    }
    return true;
  }

  void leave() {
    if (_setjmp(fibers_[current_]->jump) == 0) _longjmp(scheduler_, 1);
  }

  void fail(const char* what, Place at) {
    char text[512];
    std::snprintf(text, sizeof text, "%s (%s:%d)", what, at.file, at.line);
    problem_ = text;
    failed_ = true;
  }

  uint64_t next() {
    *random_ ^= *random_ << 13;
    *random_ ^= *random_ >> 7;
    *random_ ^= *random_ << 17;
    return *random_ >> 8;
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Warp> warps_;
  std::vector<unsigned> ready_;
  const std::function<void()>* body_ = nullptr;
  uint64_t* random_ = nullptr;
  unsigned count_ = 0;
  unsigned current_ = 0;
  bool failed_ = false;
  std::string problem_;
  jmp_buf scheduler_;
};

Block& thisBlock() {
  static thread_local Block block;
  return block;
}

// A fiber's whole life: one thread of one block after another.
void Block::enter() {
  for (;;) {
    Block& block = thisBlock();
    (*block.body_)();
    block.fibers_[block.current_]->wait = Wait::done;
    block.leave();
  }
}

}  // namespace

bool runBlock(unsigned threads, const std::function<void()>& body, uint64_t* random,
              std::string* problem) {
  if (thisBlock().run(threads, body, random)) return true;
  *problem = thisBlock().problem();
  return false;
}

void waitAtBarrier(Place at) { thisBlock().barrier(at); }

uint64_t exchange(const char* file, int line, unsigned mask, uint64_t value, int source) {
  return thisBlock().exchange({file, line}, mask, value, source);
}

int laneOfThread() { return static_cast<int>(thisBlock().lane()); }

}  // namespace emulation
}  // namespace ctc
#endif
