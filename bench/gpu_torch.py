"""PyTorch's CTC on the GPU for the shapes of bench/gpu.mjs, as JSON: milliseconds of log_softmax,
ctc_loss and backward with its own kernels and with cuDNN's (null where it does not apply), and of a copy
of T * N * C floats on the card."""

import json
import sys

import torch

if not torch.cuda.is_available():
    sys.exit("no CUDA device for PyTorch")


def median_ms(run, rounds=30):
    for _ in range(3):
        run()
    times = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[rounds // 2]


def loss_and_gradient(T, N, C, L, cudnn):
    logits = torch.randn(T, N, C, device="cuda", requires_grad=True)
    rows = [[1 + (i * i + 7 * n) % (C - 1) for i in range(L)] for n in range(N)]
    flat = [label for row in rows for label in row]
    # What makes PyTorch choose cuDNN: int32 targets on the CPU, flat, full input lengths.
    kind = torch.int32 if cudnn else torch.int64
    targets = torch.tensor(flat, dtype=kind, device="cpu" if cudnn else "cuda")
    lengths = torch.full((N,), T, dtype=kind), torch.full((N,), L, dtype=kind)

    def run():
        logits.grad = None
        with torch.backends.cudnn.flags(enabled=cudnn):
            log_probs = torch.nn.functional.log_softmax(logits, 2)
            loss = torch.nn.functional.ctc_loss(log_probs, targets, *lengths, reduction="sum")
            loss.backward()

    return median_ms(run)


version = f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
result = {"version": version, "floor": [], "native": [], "cudnn": []}
for T, N, C, L in json.loads(sys.argv[1]):
    source = torch.empty(T, N, C, device="cuda")
    target = torch.empty_like(source)
    result["floor"].append(median_ms(lambda: target.copy_(source)))
    result["native"].append(loss_and_gradient(T, N, C, L, False))
    result["cudnn"].append(loss_and_gradient(T, N, C, L, True) if L < 256 else None)
json.dump(result, sys.stdout)
