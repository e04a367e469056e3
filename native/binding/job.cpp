#include "binding/job.h"

#include <new>

#include "binding/arguments.h"

namespace ctc {

// The jobs of one JavaScript thread, known to nobody else: no lock.
class Environment {
 public:
  static Environment* of(napi_env env) {
    void* data = nullptr;
    if (napi_get_instance_data(env, &data) != napi_ok) return nullptr;
    return static_cast<Environment*>(data);
  }

  void add(Job* job) {
    job->following_ = jobs_;
    jobs_ = job;
  }
  void remove(Job* job) {
    Job** place = &jobs_;
    while (*place != job) place = &(*place)->following_;
    *place = job->following_;
  }
  double nextNumber() { return ++lastNumber_; }

  void cancel(napi_env env, double number) {
    for (Job* job = jobs_; job != nullptr; job = job->following_) {
      if (number != 0 && job->number_ != number) continue;
      job->cancelled_.store(true, std::memory_order_relaxed);
      napi_cancel_async_work(env, job->work_);  // fails when it already runs
    }
  }

  // The environment is going away: whatever still runs has nobody to answer to. Node waits for
  // each job, so this is what keeps a terminated worker from waiting for long ones.
  void stopAll() {
    for (Job* job = jobs_; job != nullptr; job = job->following_) {
      job->cancelled_.store(true, std::memory_order_relaxed);
    }
  }

 private:
  Job* jobs_ = nullptr;
  double lastNumber_ = 0;
};

bool prepareEnvironment(napi_env env) {
  auto* const environment = new (std::nothrow) Environment;
  if (environment == nullptr) return false;
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  if (napi_set_instance_data(env, environment, destroy, nullptr) != napi_ok) {
    delete environment;
    return false;
  }
  return true;
}

bool Job::hold(napi_env env, napi_value value) {
  try {
    held_.push_back(nullptr);
  } catch (const std::bad_alloc&) {
    return false;
  }
  if (napi_create_reference(env, value, 1, &held_.back()) == napi_ok) return true;
  held_.pop_back();
  return false;
}

napi_value Job::held(napi_env env, size_t i) const {
  napi_value value = nullptr;
  napi_get_reference_value(env, held_[i], &value);
  return value;
}

void Job::release(napi_env env) {
  for (napi_ref reference : held_) napi_delete_reference(env, reference);
  held_.clear();
}

napi_value Job::start(napi_env env, std::unique_ptr<Job> job, double number) {
  Environment* const environment = Environment::of(env);
  if (environment == nullptr) return wrongArgument(env);
  job->number_ = number;
  napi_value promise = nullptr;
  napi_value name;
  bool queued = false;
  if (napi_create_string_utf8(env, "node-ctc", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_async_work(env, nullptr, name, execute, complete, job.get(), &job->work_) ==
          napi_ok) {
    if (napi_create_promise(env, &job->deferred_, &promise) == napi_ok) {
      environment->add(job.get());
      queued = napi_queue_async_work(env, job->work_) == napi_ok;
      if (!queued) environment->remove(job.get());
    }
    if (!queued) napi_delete_async_work(env, job->work_);
  }
  if (!queued) {
    job->release(env);
    napi_throw_error(env, "ERR_CTC_OUT_OF_MEMORY", "cannot queue the job");
    return nullptr;
  }
  static_cast<void>(job.release());  // complete() takes it back
  return promise;
}

void Job::execute(napi_env, void* data) {
  Job* const job = static_cast<Job*>(data);
  if (!job->cancelled()) job->answer_ = job->run();
}

void Job::complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  Environment* const environment = Environment::of(env);
  if (environment != nullptr) environment->remove(job.get());
  Code code = status == napi_ok ? job->answer_ : Code::cancelled;
  if (code != Code::cancelled) code = job->finish(env, code);
  job->release(env);
  napi_delete_async_work(env, job->work_);
  napi_value value;
  const bool settled = napi_create_int32(env, static_cast<int32_t>(code), &value) == napi_ok &&
                       napi_resolve_deferred(env, job->deferred_, value) == napi_ok;
  if (!settled && environment != nullptr) environment->stopAll();
}

napi_value newJob(napi_env env, napi_callback_info) {
  Environment* const environment = Environment::of(env);
  return environment == nullptr ? wrongArgument(env) : makeNumber(env, environment->nextNumber());
}

napi_value cancelJobs(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  double number = 0;
  Environment* const environment = Environment::of(env);
  if (environment == nullptr ||
      napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok ||
      napi_get_value_double(env, argument, &number) != napi_ok) {
    return wrongArgument(env);
  }
  environment->cancel(env, number);
  return nullptr;
}

}  // namespace ctc
