"""PyTorch's part of a comparison, on the CPU: pytorch.py JOB_FOLDER

Reads job.json and what our own process left there, prints one JSON object a line (see job.ts).
"""

import json
import os
import resource
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "fixtures", "pytorch"))

from reference_model import LPIPS, Proposed  # noqa: E402

CONVOLUTION_TOLERANCE, LOSS_TOLERANCE, COMPARED_STEPS = 1e-3, 2e-3, 2


def report(**result):
    print(json.dumps(result), flush=True)


def read(folder, name):
    return np.fromfile(os.path.join(folder, name + ".f32"), np.float32)


def timed(work, budget=4.0, repeats=7):
    """Median and spread of the processor time over threads, and of the elapsed time, in ms."""
    work()
    cpu, wall, start = [], [], time.perf_counter()
    while len(wall) < repeats:
        before, began = time.process_time(), time.perf_counter()
        work()
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - before) * 1000 / torch.get_num_threads())
        if len(wall) >= 3 and time.perf_counter() - start > budget:
            break
    quartiles = np.percentile(cpu, [25, 75])
    median = statistics.median(cpu)
    return {
        "milliseconds": median,
        "spread": float(quartiles[1] - quartiles[0]) / median,
        "wallMilliseconds": statistics.median(wall),
    }


def require_equal(what, error, tolerance):
    if not error <= tolerance:
        raise SystemExit(f"{what}: results differ from ours by {error:.1e}")


def convolutions(folder, shape):
    g = shape["geometry"]
    stride, padding = g["stride"], g["padding"]
    x_shape = (g["batch"], g["inChannels"], g["height"], g["width"])
    w_shape = (g["outChannels"], g["inChannels"], g["kernelHeight"], g["kernelWidth"])
    x, w = (
        torch.from_numpy(read(folder, f"{shape['name']}.{n}")).view(s)
        for n, s in (("x", x_shape), ("w", w_shape))
    )
    y_shape = F.conv2d(x, w, None, stride, padding).shape
    dy = torch.from_numpy(read(folder, f"{shape['name']}.dy")).view(y_shape)
    passes = {
        "forward": lambda: F.conv2d(x, w, None, stride, padding),
        "data": lambda: torch.nn.grad.conv2d_input(x_shape, w, dy, stride, padding),
        "weight": lambda: torch.ops.aten.convolution_backward(
            dy, x, w, None, (stride,) * 2, (padding,) * 2, (1, 1), False, (0, 0), 1,
            (False, True, False),
        )[1],
    }
    for name, work in passes.items():
        expected = read(folder, f"{shape['name']}.{name}")
        found = work().numpy().ravel()
        error = float(np.abs(found - expected).max() / np.sqrt((expected**2).mean()))
        require_equal(f"PyTorch {name} of {shape['name']}", error, CONVOLUTION_TOLERANCE)
        report(kind="convolution", shape=shape["name"], error=error, **{"pass": name}, **timed(work))


def training_step(folder, shape):
    size, batch = shape["size"], shape["batch"]
    name = f"{size} px, ngf {shape['ngf']}, ndf {shape['ndf']}, batch {batch}"
    state, flat = {}, read(folder, name)
    with open(os.path.join(folder, name + ".json")) as file:
        for entry in json.load(file):
            count = int(np.prod(entry["shape"]))
            values = flat[entry["offset"] : entry["offset"] + count].copy()
            state[entry["name"]] = torch.from_numpy(values).view(entry["shape"])
    perceptual = LPIPS("squeeze")
    perceptual.load_state_dict(
        {key: value for key, value in state.items() if key.startswith(("trunk.", "lin"))}
    )
    method = Proposed(perceptual, shape["ngf"], shape["ndf"], min(8, size.bit_length() - 1), 0.0)
    method.load_state(state)
    low, high = (
        torch.from_numpy(read(folder, f"{name}.{n}")).view(batch, 1, size, size)
        for n in ("low", "high")
    )
    with open(os.path.join(folder, name + ".losses.json")) as file:
        expected = json.load(file)
    error = 0.0
    for step in range(COMPARED_STEPS):
        found = method.step(low, high)
        for ours, theirs in (("D", "D_total"), ("G", "G_total")):
            error = max(error, abs(found[theirs] / expected[step][ours] - 1))
    require_equal(f"PyTorch step {name}", error, LOSS_TOLERANCE)
    times = timed(lambda: method.step(low, high), budget=20.0)
    report(
        kind="step",
        shape=name,
        seconds=times["milliseconds"] / 1000,
        wallSeconds=times["wallMilliseconds"] / 1000,
        spread=times["spread"],
        peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        error=error,
    )


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    report(kind="about", adapter=f"CPU, {job['threads']} threads", version=torch.__version__)
    for shape in job["shapes"]:
        with torch.no_grad():
            convolutions(folder, shape)
    for shape in job["steps"]:
        training_step(folder, shape)


main()
