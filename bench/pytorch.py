"""PyTorch's side of the measurements: log_softmax, ctc_loss and backward to the logits.

Reads one JSON object a line from standard input, answers one a line:
  {"load": {path, shape, dtype, targets, inputLengths, blank}}     -> {"ok": true}
  {"run": {threads, repeat, gradient}}                             -> {"seconds": for one, "loss": the sum}
  {"evaluate": {dtype, path}}   -> {"losses": of each}, and the sum's gradient as float64 in the file
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_interop_threads(1)
batch = {}


def load(path, shape, dtype, targets, inputLengths, blank):
    dtype = getattr(torch, dtype)
    count = shape[0] * shape[1] * shape[2]
    logits = torch.from_file(path, size=count, dtype=dtype).reshape(shape).clone()
    batch.update(
        logits=logits.requires_grad_(),
        targets=torch.tensor([label for row in targets for label in row], dtype=torch.long),
        targetLengths=torch.tensor([len(row) for row in targets], dtype=torch.long),
        inputLengths=torch.tensor(inputLengths, dtype=torch.long),
        blank=blank,
    )
    return {"ok": True}


def ctc(logits, reduction):
    return F.ctc_loss(
        F.log_softmax(logits, 2),
        batch["targets"],
        batch["inputLengths"],
        batch["targetLengths"],
        blank=batch["blank"],
        reduction=reduction,
    )


def once(gradient):
    logits = batch["logits"]
    logits.grad = None
    with torch.set_grad_enabled(gradient):
        loss = ctc(logits, "sum")
        if gradient:
            loss.backward()
    return loss


def run(threads, repeat, gradient):
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    for _ in range(repeat):
        loss = once(gradient)
    return {"seconds": (time.perf_counter() - begin) / repeat, "loss": float(loss)}


def evaluate(dtype, path):
    logits = batch["logits"].detach().to(getattr(torch, dtype)).requires_grad_()
    losses = ctc(logits, "none")
    losses.sum().backward()
    logits.grad.double().numpy().tofile(path)
    return {"losses": losses.tolist()}


def answer(request):
    ((name, arguments),) = request.items()
    return {"load": load, "run": run, "evaluate": evaluate}[name](**arguments)


print(json.dumps({"version": torch.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
