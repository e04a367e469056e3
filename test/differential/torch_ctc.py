"""Answers CTC problems with PyTorch: one JSON object a line on stdin, one answer a line on stdout.

Every problem is computed twice: in float64, which is what numbers are compared with (the values are
exact in both types), and in the problem's own type, which tells how PyTorch behaves there.
"""

import base64
import json
import sys

import numpy
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def encode(tensor):
    array = tensor.detach().to(torch.float64).contiguous().numpy()
    return base64.b64encode(array.tobytes()).decode()


def solve(problem, dtype):
    raw = numpy.frombuffer(base64.b64decode(problem["values"]), dtype=numpy.float64)
    values = torch.tensor(raw.copy(), dtype=torch.float64).reshape(problem["shape"]).to(dtype)
    values.requires_grad_()
    scores = values.transpose(0, 1) if problem["batchMajor"] else values
    log_probs = scores if problem["logProbs"] else scores.log_softmax(-1)
    integers = torch.int32 if problem["int32"] else torch.int64
    targets = torch.tensor(problem["targets"], dtype=integers)
    if problem["padded"]:
        targets = targets.reshape(problem["targetShape"])
    input_lengths = torch.tensor(problem["inputLengths"], dtype=integers)
    target_lengths = torch.tensor(problem["targetLengths"], dtype=integers)
    if problem["unbatched"]:
        log_probs, targets = log_probs.squeeze(1), targets.reshape(-1)
        input_lengths, target_lengths = input_lengths[0], target_lengths[0]
    loss = F.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank=problem["blank"],
        reduction=problem["reduction"],
        zero_infinity=problem["zeroInfinity"],
    )
    upstream = torch.tensor(problem["gradOutput"], dtype=dtype).reshape(loss.shape)
    loss.backward(upstream)
    return {"loss": encode(loss.reshape(-1)), "gradient": encode(values.grad)}


print(torch.__version__, flush=True)
for line in sys.stdin:
    problem = json.loads(line)
    own = torch.float32 if problem["dtype"] == "float32" else torch.float64
    answer = {"exact": solve(problem, torch.float64), "own": solve(problem, own)}
    print(json.dumps(answer), flush=True)
