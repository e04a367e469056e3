// The loss with something else to do for each utterance, while its rows are still in the caches.
#pragma once

#include "ctc/loss.h"

namespace ctc {

class AfterLoss {
 public:
  virtual ~AfterLoss() = default;

  // Called once for each utterance, after its loss, on any of the call's threads. May throw
  // std::bad_alloc; a call that is cancelled may leave out the rest.
  virtual void run(int64_t utterance) = 0;
};

// As loss(); `after` may be null.
Result lossAnd(const LossProblem& problem, AfterLoss* after, int64_t* badUtterance);

}  // namespace ctc
