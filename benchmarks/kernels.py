"""How fast are the kernels, beside scikit-learn, NumPy and PyTorch? All in one process, interleaved, medians.

    python benchmarks/kernels.py [--json FILE]

Nanoseconds for each element, one thread, arrays of outputs given to everyone who takes them. A library that is not
installed is named. Absolute times are this machine's; what carries over are the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

import lossforge as lf  # noqa: E402
from lossforge.runtime import native  # noqa: E402

SIZES = (10, 1_000, 100_000, 1_000_000)
LEAST = 0.15  # seconds for each contender, in rounds of which every contender has one
Call = Callable[[], Any]
Arrays = dict[str, np.ndarray[Any, Any]]


def arrays(dtype: Any, n: int) -> Arrays:
    rng = np.random.default_rng(0)
    made = {
        "f": rng.normal(0, 3, n),
        "label": (rng.random(n) < 0.5),
        "count": rng.poisson(2, n),
        "real": rng.normal(0, 3, n),
    }
    return {k: np.ascontiguousarray(v, dtype) for k, v in made.items()} | {
        k: np.empty(n, dtype) for k in ("loss", "gradient", "hessian")
    }


def ours(name: str, target: str, output: str, backend: str, check: bool = True) -> Callable[[Arrays], Call]:
    def bind(a: Arrays) -> Call:
        function = getattr(lf.losses, name)(backend=backend)
        outs = tuple(a[part] for part in output.split("_"))
        return lambda: getattr(function, output)(a[target], a["f"], out=outs, check_domain=check)

    return bind


def sklearn_loss(name: str, target: str, output: str) -> Callable[[Arrays], Call]:
    def bind(a: Arrays) -> Call:
        from sklearn._loss import loss as module

        made = getattr(module, name)()
        outs = {f"{part}_out": a[part] for part in output.split("_")}
        return lambda: getattr(made, output)(y_true=a[target], raw_prediction=a["f"], **outs)

    return bind


def numpy_logistic(output: str) -> Callable[[Arrays], Call]:
    """As a careful author writes it, with temporary arrays that are used again."""

    def bind(a: Arrays) -> Call:
        f, y, g, h, loss = a["f"], a["label"], a["gradient"], a["hessian"], a["loss"]
        e, p = np.empty_like(f), np.empty_like(f)

        def gradient_hessian() -> None:
            np.exp(np.negative(np.abs(f, out=e), out=e), out=e)
            np.add(e, 1, out=p)
            np.divide(np.where(f >= 0, 1, e), p, out=p)
            np.subtract(p, y, out=g)
            np.multiply(p, 1 - p, out=h)

        def loss_gradient() -> None:
            np.exp(np.negative(np.abs(f, out=e), out=e), out=e)
            np.log1p(e, out=loss)
            np.add(loss, np.maximum(f, 0), out=loss)
            np.subtract(loss, f * y, out=loss)
            np.add(e, 1, out=p)
            np.divide(np.where(f >= 0, 1, e), p, out=p)
            np.subtract(p, y, out=g)

        return {"gradient_hessian": gradient_hessian, "loss_gradient": loss_gradient}[output]

    return bind


def torch_logistic(output: str) -> Callable[[Arrays], Call]:
    def bind(a: Arrays) -> Call:
        import torch

        torch.set_num_threads(1)
        f, y, g, h, loss = (torch.from_numpy(a[k]) for k in ("f", "label", "gradient", "hessian", "loss"))

        def gradient_hessian() -> None:
            p = torch.sigmoid(f)
            torch.sub(p, y, out=g)
            torch.mul(p, 1 - p, out=h)

        def loss_gradient() -> None:
            loss.copy_(torch.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none"))
            torch.sub(torch.sigmoid(f), y, out=g)

        return {"gradient_hessian": gradient_hessian, "loss_gradient": loss_gradient}[output]

    return bind


def contenders() -> dict[str, dict[str, Callable[[Arrays], Call]]]:
    table: dict[str, dict[str, Callable[[Arrays], Call]]] = {}
    rows = (
        ("binary_cross_entropy_logits", "HalfBinomialLoss", "label"),
        ("poisson_log_link", "HalfPoissonLoss", "count"),
        ("huber", "HuberLoss", "real"),
    )
    for name, theirs, target in rows:
        for output in ("gradient_hessian", "loss_gradient"):
            row = {
                "C": ours(name, target, output, "c", check=False),
                "C, domains checked": ours(name, target, output, "c"),
                "NumPy, generated": ours(name, target, output, "numpy"),
                "scikit-learn": sklearn_loss(theirs, target, output),
            }
            if target == "label":
                row |= {"NumPy, by hand": numpy_logistic(output), "PyTorch": torch_logistic(output)}
            table[f"{name} {output}"] = row
    return table


def timed(calls: Mapping[str, Call]) -> dict[str, float]:
    """The median time of each call in seconds; every round calls each as often as fits into a hundredth of the time."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    repeat = {}
    for name, call in calls.items():
        call()
        began = time.perf_counter()
        call()
        repeat[name] = max(1, int(LEAST / 30 / max(time.perf_counter() - began, 1e-7)))
    for _ in range(30):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(repeat[name]):
                call()
            times[name].append((time.perf_counter() - began) / repeat[name])
    return {name: statistics.median(t) for name, t in times.items()}


def measured() -> tuple[list[dict[str, Any]], list[str]]:
    rows, absent = [], set[str]()
    for dtype in (np.float64, np.float32):
        for n in SIZES:
            a = arrays(dtype, n)
            for what, row in contenders().items():
                calls = {}
                for name, bind in row.items():
                    try:
                        calls[name] = bind(a)
                    except ImportError as error:
                        absent.add(f"{name} ({error})")
                found = timed(calls)
                rows.append(
                    {
                        "what": what,
                        "dtype": np.dtype(dtype).name,
                        "n": n,
                        "ns": {k: t / n * 1e9 for k, t in found.items()},
                    }
                )
    return rows, sorted(absent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    rows, absent = measured()
    names = list(dict.fromkeys(name for row in rows for name in row["ns"]))
    print(
        f"instructions: {native.instructions()}, compiler: {native.compiler().version}; ns for each element (times C)"
    )
    print(f"| loss, outputs | format | n | {' | '.join(names)} |")
    print(f"| --- | --- | --- | {' | '.join('---' for _ in names)} |")
    for row in rows:
        ns = row["ns"]
        cells = [f"{ns[k]:.2f} ({ns[k] / ns['C']:.1f})" if k in ns else "" for k in names]
        print(f"| {row['what']} | {row['dtype']} | {row['n']} | {' | '.join(cells)} |")
    for name in absent:
        print(f"absent: {name}", file=sys.stderr)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"instructions": native.instructions(), "rows": rows, "absent": absent}, file, indent=1)


if __name__ == "__main__":
    main()
