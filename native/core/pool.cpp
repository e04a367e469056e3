#include "core/pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

namespace ctc {
namespace {

using Body = void (*)(void*, int64_t, int);

// One parallelFor() call; lives on its caller's stack.
struct Job {
  Body body;
  void* context;
  int64_t count;
  int helpersWanted;
  std::atomic<int64_t> next{0};
  int helpersTaken = 0;  // under the pool's mutex, as is all below
  int helpersActive = 0;
  Job* following = nullptr;
  std::condition_variable idle;

  void run(int lane) {
    for (int64_t task = next++; task < count; task = next++) body(context, task, lane);
  }
  bool wantsHelp() const {
    return helpersTaken < helpersWanted && next.load(std::memory_order_relaxed) < count;
  }
};

class Pool {
 public:
  // Never destroyed: its threads may outlive static destructors. In static memory, so that it is
  // there whatever memory is left.
  static Pool& instance() {
    alignas(Pool) static unsigned char storage[sizeof(Pool)];
    static Pool& pool = *new (storage) Pool;
    return pool;
  }

  void run(Job& job) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      grow(job.helpersWanted);
      job.following = jobs_;
      jobs_ = &job;
    }
    for (int i = 0; i < job.helpersWanted; ++i) work_.notify_one();
    job.run(0);
    std::unique_lock<std::mutex> lock(mutex_);
    Job** place = &jobs_;
    while (*place != &job) place = &(*place)->following;
    *place = job.following;
    job.idle.wait(lock, [&] { return job.helpersActive == 0; });
  }

 private:
  // Fewer threads than asked for is slower, not wrong.
  void grow(int wanted) {
    while (threads_ < wanted) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::exception&) {  // no thread, or no memory for one
        return;
      }
      ++threads_;
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Job* job = jobs_;
      while (job != nullptr && !job->wantsHelp()) job = job->following;
      if (job == nullptr) {
        work_.wait(lock);
        continue;
      }
      const int lane = ++job->helpersTaken;
      ++job->helpersActive;
      lock.unlock();
      job->run(lane);
      lock.lock();
      if (--job->helpersActive == 0) job->idle.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  Job* jobs_ = nullptr;
  int threads_ = 0;
};

}  // namespace

void parallelFor(int threads, int64_t count, Body body, void* context) {
  const int64_t useful = std::min<int64_t>({int64_t{threads}, count, int64_t{256}});
  if (useful <= 1) {
    for (int64_t task = 0; task < count; ++task) body(context, task, 0);
    return;
  }
  Job job{};
  job.body = body;
  job.context = context;
  job.count = count;
  job.helpersWanted = static_cast<int>(useful - 1);
  Pool::instance().run(job);
}

}  // namespace ctc
