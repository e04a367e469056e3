// Work off the JavaScript thread and the promise of its outcome.
#pragma once

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "binding/plan.h"

namespace ctc {

// One job. A subclass owns private copies of what it reads, or holds the arrays that own it.
//
// A job is created, started, finished and destroyed on its JavaScript thread; only run() is called
// on a thread of libuv's pool. Node keeps an environment alive until its jobs have ended, also when
// a worker is terminated, so arrays that a job holds outlive run() in any case.
class Job {
 public:
  virtual ~Job() = default;

  // The work. Touches no JavaScript, throws nothing, returns soon after `cancelled` is set.
  virtual Code run() = 0;

  // On the JavaScript thread, after run(), with its answer: copies results out. Not called when the
  // job was cancelled or the environment is going away. Returns the promise's value.
  virtual Code finish(napi_env, Code answer) { return answer; }

  // Polled by the core.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

  // Keeps `value` from being collected until the job has ended. False when that is not possible.
  bool hold(napi_env env, napi_value value);

  // The i-th value held, and how many there are.
  napi_value held(napi_env env, size_t i) const;
  size_t heldCount() const { return held_.size(); }

  // Lets go of what is held. start() and the end of the job see to it; this is for a job that is
  // never started.
  void release(napi_env env);

  // Queues the job and returns its promise, which resolves to a Code and is never rejected.
  // `number` is for cancelJobs(), 0 for none. Null, with an exception pending if there can be one,
  // on failure.
  static napi_value start(napi_env env, std::unique_ptr<Job> job, double number);

 private:
  friend class Environment;
  static void execute(napi_env env, void* data);
  static void complete(napi_env env, napi_status status, void* data);

  std::atomic<bool> cancelled_{false};
  Code answer_ = Code::cancelled;
  double number_ = 0;
  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
  std::vector<napi_ref> held_;
  Job* following_ = nullptr;  // in the environment's list
};

// Makes what jobs need in a new environment: the main thread's or a worker's. False on failure.
bool prepareEnvironment(napi_env env);

// newJob(): a number for start().
napi_value newJob(napi_env env, napi_callback_info info);

// cancel(number): takes the job off the queue or asks it to stop; 0 means all of this environment.
napi_value cancelJobs(napi_env env, napi_callback_info info);

}  // namespace ctc
