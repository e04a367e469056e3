// The memory of one thread: docs/performance.md states the bound that is asserted here.
#include <algorithm>

#include "check.h"
#include "ctc/loss.h"

namespace {

// Half of what a lattice of T frames and 2 L + 1 states would take at 8 bytes a state, or 1 MiB
// where that is more; two references a frame; three rows of classes; and what grows with L alone.
int64_t bound(int64_t frames, int64_t labels, int64_t classes) {
  const int64_t half = std::max<int64_t>(frames * (2 * labels + 1) * 4, 1 << 20);
  return half + 16 * frames + 28 * classes + 1200 * (labels + 32);
}

}  // namespace

TEST(workspace_is_half_a_lattice_at_most) {
  for (const int64_t frames : {1, 2, 26, 80, 400, 750, 2000, 6000, 20000, 100000}) {
    for (const int64_t labels : {0, 1, 5, 10, 80, 150, 400, 1200, 5000, 20000}) {
      if (labels > frames) continue;
      for (const int64_t classes : {2, 5, 32, 64, 65, 1024, 6625, 100000}) {
        const int64_t used =
            ctc::workspaceBytes(frames, labels, classes, ctc::DType::float32, true);
        const int64_t most = bound(frames, labels, classes);
        if (used > most) {
          CHECK_EQ(frames, -1);
          CHECK_EQ(labels, -1);
          CHECK_EQ(classes, -1);
          CHECK_EQ(used, most);
        }
        CHECK(ctc::workspaceBytes(frames, labels, classes, ctc::DType::float32, false) <= used);
      }
    }
  }
}

TEST(workspace_of_long_utterances_is_far_below_half_a_lattice) {
  const int64_t half = int64_t{6000} * 2401 * 4;
  CHECK(ctc::workspaceBytes(6000, 1200, 32, ctc::DType::float32, true) < half / 3);
}

TEST(workspace_of_the_loss_alone_does_not_grow_with_the_frames) {
  CHECK_EQ(ctc::workspaceBytes(100, 50, 32, ctc::DType::float32, false),
           ctc::workspaceBytes(100000, 50, 32, ctc::DType::float32, false));
}
