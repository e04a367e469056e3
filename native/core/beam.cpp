#include <memory>
#include <vector>

#include "core/beam_search.h"
#include "core/decode_batch.h"
#include "ctc/decode.h"

namespace ctc {

Result beamDecode(const BeamProblem& problem, int64_t* badUtterance) {
  if (problem.beamWidth < 1 || problem.topPaths < 1 || problem.cutoffTopN < 1) {
    return Result::badArgument;
  }
  try {
    // One workspace per lane; a lane's utterances run one after another.
    std::vector<std::unique_ptr<BeamSearch>> searches(problem.execution.threads);
    return decodeBatch(problem.input, problem.inputLengths, problem.blank, problem.execution,
                       badUtterance, [&](int64_t utterance, int lane) {
                         std::unique_ptr<BeamSearch>& search = searches[lane];
                         if (!search) search = std::make_unique<BeamSearch>(problem);
                         return search->run(utterance, &problem.decoded[utterance]);
                       });
  } catch (const std::bad_alloc&) {
    return Result::outOfMemory;
  }
}

}  // namespace ctc
