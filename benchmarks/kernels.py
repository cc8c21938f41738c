"""How fast are the kernels, beside other libraries? All in one process, interleaved, medians.

    python3 dev.py bench [--json FILE] [--only TEXT] [--sizes 10,1000,100000,10000000] [--catalogue]

Nanoseconds for each number that is predicted; arrays for the results are given to everyone who takes them. `copying` is
what memory takes for the same bytes: two arrays read, two written. A library that is not installed is named. Absolute
times are this machine's; what carries over are the ratios. --catalogue compares every loss with its NumPy code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np  # noqa: E402

import lossforge as lf  # noqa: E402
from lossforge.runtime import native  # noqa: E402
from lossforge.runtime.artifacts import catalogue_facts  # noqa: E402
from lossforge.runtime.domains import Domain, FiniteSet, Integers, Interval  # noqa: E402
from lossforge.runtime.signature import Signature  # noqa: E402

SIZES = (10, 1_000, 100_000, 10_000_000)
ROUNDS, LEAST = 21, 0.004  # every round calls each contender for about this many seconds
Call = Callable[[], Any]
Arrays = dict[str, np.ndarray[Any, Any]]
Bind = Callable[[Arrays, int], Call]  # arrays, number of threads -> what is timed


class NotHere(Exception):
    """A contender does not do this: with several threads, or in this format."""


# The data ----------------------------------------------------------------------------------------


def over_rows(dtype: Any, n: int) -> Arrays:
    rng = np.random.default_rng(0)
    made = {
        "f": rng.normal(0, 3, n),
        "label": rng.random(n) < 0.5,
        "count": rng.poisson(2, n),
        "real": rng.normal(0, 3, n),
    }
    outputs = {k: np.empty(n, dtype) for k in ("loss", "gradient", "hessian")}
    return {k: np.ascontiguousarray(v, dtype) for k, v in made.items()} | outputs


def over_classes(dtype: Any, n: int, classes: int) -> Arrays:
    rng, rows = np.random.default_rng(0), max(1, n // classes)
    return {
        "f": rng.normal(0, 3, (rows, classes)).astype(dtype),
        "label": rng.integers(0, classes, rows),
        "loss": np.empty(rows, dtype),
        "gradient": np.empty((rows, classes), dtype),
    }


# Who takes part ----------------------------------------------------------------------------------


def ours(name: str, target: str, output: str, backend: str = "c", check: bool = True, **options: Any) -> Bind:
    def bind(a: Arrays, threads: int) -> Call:
        method = getattr(getattr(lf.losses, name)(backend=backend, **options), output)
        y, f, outs = a[target], a["f"], tuple(a[part] for part in output.split("_"))
        return lambda: method(y, f, out=outs, check_domain=check, threads=threads)

    return bind


def scikit_learn(name: str, target: str, output: str, **options: Any) -> Bind:
    def bind(a: Arrays, threads: int) -> Call:
        from sklearn._loss import loss as module

        f = a["f"]
        made = getattr(module, name)(**options, **({"n_classes": f.shape[1]} if f.ndim == 2 else {}))
        outs = {f"{part}_out": a[part] for part in output.split("_")}
        y, method = a[target].astype(f.dtype), getattr(made, output)
        return lambda: method(y_true=y, raw_prediction=f, n_threads=threads, **outs)

    return bind


def single(make: Callable[[Arrays], Call]) -> Bind:
    """A contender that has one thread."""

    def bind(a: Arrays, threads: int) -> Call:
        if threads > 1:
            raise NotHere
        return make(a)

    return bind


def copying(a: Arrays, threads: int) -> Call:
    if threads > 1 or a["f"].ndim > 1:
        raise NotHere
    f, y, g, h = a["f"], a["real"], a["gradient"], a["hessian"]
    return lambda: (np.copyto(g, f), np.copyto(h, y))


def numpy_logistic(output: str, careful: bool) -> Bind:
    def make(a: Arrays) -> Call:
        f, y, g, h, loss = (a[k] for k in ("f", "label", "gradient", "hessian", "loss"))
        e, p, positive = np.empty_like(f), np.empty_like(f), np.empty(f.shape, bool)

        def naive() -> None:
            np.divide(1, np.add(np.exp(np.negative(f, out=p), out=p), 1, out=p), out=p)
            np.subtract(p, y, out=g)
            if output == "gradient_hessian":
                np.multiply(p, np.subtract(1, p, out=e), out=h)
            else:
                np.subtract(np.log1p(np.exp(f, out=e), out=e), np.multiply(f, y, out=loss), out=loss)

        def stable() -> None:
            np.exp(np.negative(np.abs(f, out=e), out=e), out=e)
            np.add(e, 1, out=p)
            if output == "loss_gradient":
                np.log1p(e, out=loss)
                np.add(loss, np.maximum(f, 0, out=g), out=loss)
                np.subtract(loss, np.multiply(f, y, out=g), out=loss)
            np.greater_equal(f, 0, out=positive)
            np.copyto(e, 1, where=positive)
            np.divide(e, p, out=p)
            np.subtract(p, y, out=g)
            if output == "gradient_hessian":
                np.multiply(p, np.subtract(1, p, out=e), out=h)

        return stable if careful else naive

    return single(make)


def numba_logistic(output: str) -> Bind:
    def make(a: Arrays) -> Call:
        import numba

        @numba.njit(error_model="numpy")
        def gradient_hessian(y: Any, f: Any, g: Any, h: Any) -> None:
            for i in range(f.size):
                e = np.exp(-abs(f[i]))
                p = (1 if f[i] >= 0 else e) / (1 + e)
                g[i] = p - y[i]
                h[i] = e / ((1 + e) * (1 + e))

        @numba.njit(error_model="numpy")
        def loss_gradient(y: Any, f: Any, loss: Any, g: Any) -> None:
            for i in range(f.size):
                e = np.exp(-abs(f[i]))
                loss[i] = np.log1p(e) + max(f[i], 0) - y[i] * f[i]
                g[i] = (1 if f[i] >= 0 else e) / (1 + e) - y[i]

        function = {"gradient_hessian": gradient_hessian, "loss_gradient": loss_gradient}[output]
        arguments = [a[k] for k in ("label", "f", *output.split("_"))]
        return lambda: function(*arguments)

    return single(make)


def numexpr_logistic(output: str) -> Bind:
    def bind(a: Arrays, threads: int) -> Call:
        import numexpr

        f, y, g, h, loss = (a[k] for k in ("f", "label", "gradient", "hessian", "loss"))
        names = {"f": f, "y": y, "one": f.dtype.type(1), "zero": f.dtype.type(0)}
        p = "where(f >= 0, one, exp(-abs(f)))/(one + exp(-abs(f)))"
        texts = {
            "gradient_hessian": ((f"{p} - y", g), ("exp(-abs(f))/(one + exp(-abs(f)))**2", h)),
            "loss_gradient": (("log1p(exp(-abs(f))) + where(f > 0, f, zero) - y*f", loss), (f"{p} - y", g)),
        }[output]

        def run() -> None:
            numexpr.set_num_threads(threads)
            for text, out in texts:
                numexpr.evaluate(text, names, out=out)

        return run

    return bind


def jax_logistic(output: str) -> Bind:
    def make(a: Arrays) -> Call:
        import jax

        jax.config.update("jax_enable_x64", True)
        softplus = jax.nn.softplus

        def loss(y: Any, f: Any) -> Any:
            return softplus(f) - y * f

        def gradient(y: Any, f: Any) -> Any:
            return jax.nn.sigmoid(f) - y

        def hessian(y: Any, f: Any) -> Any:
            p = jax.nn.sigmoid(f)
            return p * (1 - p)

        parts = {"gradient_hessian": (gradient, hessian), "loss_gradient": (loss, gradient)}[output]
        function = jax.jit(lambda y, f: tuple(part(y, f) for part in parts))
        y, f = jax.numpy.asarray(a["label"]), jax.numpy.asarray(a["f"])
        return lambda: jax.block_until_ready(function(y, f))

    return single(make)


def torch_logistic(output: str, how: str) -> Bind:
    def bind(a: Arrays, threads: int) -> Call:
        import torch

        f, y, g, h, loss = (torch.from_numpy(a[k]) for k in ("f", "label", "gradient", "hessian", "loss"))
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits

        def analytic() -> None:
            p = torch.sigmoid(f)
            torch.sub(p, y, out=g)
            if output == "gradient_hessian":
                torch.mul(p, 1 - p, out=h)
            else:
                loss.copy_(cross_entropy(f, y, reduction="none"))

        def differentiated() -> None:
            x = f.detach().requires_grad_()
            value = cross_entropy(x, y, reduction="none")
            (first,) = torch.autograd.grad(value.sum(), x, create_graph=output == "gradient_hessian")
            if output == "gradient_hessian":
                torch.autograd.grad(first.sum(), x)

        def tensors(f: Any, y: Any) -> Any:
            p = torch.sigmoid(f)
            last = p * (1 - p) if output == "gradient_hessian" else cross_entropy(f, y, reduction="none")
            return p - y, last

        compiled = torch.compile(tensors) if how == "compiled" else None
        run = {"analytic": analytic, "differentiated": differentiated}.get(how) or (lambda: compiled(f, y))

        def call() -> None:
            torch.set_num_threads(threads)
            run()

        return call

    return bind


def lambdified(output: str) -> Bind:
    def make(a: Arrays) -> Call:
        import sympy as sp

        y, f = sp.symbols("y f", real=True)
        loss = sp.log(1 + sp.exp(f)) - y * f
        forms = {"loss": loss, "gradient": loss.diff(f), "hessian": loss.diff(f, 2)}
        function = sp.lambdify((y, f), [forms[part] for part in output.split("_")], "numpy", cse=True)
        return lambda: function(a["label"], a["f"])

    return single(make)


def numba_focal(a: Arrays) -> Call:
    import numba

    @numba.njit(error_model="numpy")
    def run(y: Any, z: Any, g: Any, h: Any) -> None:
        for i in range(z.size):
            s = 2 * y[i] - 1
            m = s * z[i]
            e = np.exp(-abs(m))
            p = (1 if m >= 0 else e) / (1 + e)
            q = (e if m >= 0 else 1) / (1 + e)
            log_p = -(np.log1p(e) + max(-m, 0))
            g[i] = s * q * q * (2 * p * log_p - q)
            h[i] = p * q * q * (2 * log_p * (q - 2 * p) + 5 * q)

    arguments = [a[k] for k in ("label", "f", "gradient", "hessian")]
    return lambda: run(*arguments)


def torch_focal(a: Arrays, threads: int) -> Call:
    import torch

    z, y = torch.from_numpy(a["f"]), torch.from_numpy(a["label"])

    def run() -> None:
        torch.set_num_threads(threads)
        x = z.detach().requires_grad_()
        m = (2 * y - 1) * x
        loss = torch.sigmoid(-m) ** 2 * torch.nn.functional.softplus(-m)
        (first,) = torch.autograd.grad(loss.sum(), x, create_graph=True)
        torch.autograd.grad(first.sum(), x)

    return run


def numpy_softmax(a: Arrays) -> Call:
    f, labels, loss, gradient = (a[k] for k in ("f", "label", "loss", "gradient"))
    rows = np.arange(len(f))

    def run() -> None:
        np.subtract(f, f.max(axis=1, keepdims=True), out=gradient)
        loss[:] = gradient[rows, labels]
        np.exp(gradient, out=gradient)
        total = gradient.sum(axis=1)
        np.subtract(np.log(total), loss, out=loss)
        np.divide(gradient, total[:, None], out=gradient)
        gradient[rows, labels] -= 1

    return run


def jax_softmax(a: Arrays) -> Call:
    import jax

    jax.config.update("jax_enable_x64", True)

    def both(y: Any, f: Any) -> Any:
        logarithms = jax.nn.log_softmax(f, axis=1)
        hot = jax.nn.one_hot(y, f.shape[1], dtype=f.dtype)
        return -jax.numpy.take_along_axis(logarithms, y[:, None], axis=1)[:, 0], jax.numpy.exp(logarithms) - hot

    function, y, f = jax.jit(both), jax.numpy.asarray(a["label"]), jax.numpy.asarray(a["f"])
    return lambda: jax.block_until_ready(function(y, f))


def torch_softmax(a: Arrays, threads: int) -> Call:
    import torch

    f, y = torch.from_numpy(a["f"]), torch.from_numpy(a["label"])
    loss, gradient = torch.from_numpy(a["loss"]), torch.from_numpy(a["gradient"])
    rows = torch.arange(len(f))

    def run() -> None:
        torch.set_num_threads(threads)
        loss.copy_(torch.nn.functional.cross_entropy(f, y, reduction="none"))
        torch.softmax(f, 1, out=gradient)
        gradient[rows, y] -= 1

    return run


def tiers(name: str, target: str, output: str, **options: Any) -> dict[str, Bind]:
    return {
        "fast": ours(name, target, output, tier="fast", **options),
        "accurate": ours(name, target, output, **options),
        "accurate, unchecked": ours(name, target, output, check=False, **options),
        "NumPy, generated": single(lambda a: ours(name, target, output, "numpy", **options)(a, 1)),
    }


def contenders() -> dict[str, dict[str, Bind]]:
    table: dict[str, dict[str, Bind]] = {}
    for output in ("gradient_hessian", "loss_gradient"):
        table[f"logistic {output}"] = tiers("binary_cross_entropy_logits", "label", output) | {
            "scikit-learn": scikit_learn("HalfBinomialLoss", "label", output),
            "NumPy, naive": numpy_logistic(output, careful=False),
            "NumPy, by hand": numpy_logistic(output, careful=True),
            "numba": numba_logistic(output),
            "numexpr": numexpr_logistic(output),
            "JAX": jax_logistic(output),
            "PyTorch": torch_logistic(output, "analytic"),
            "PyTorch, autograd": torch_logistic(output, "differentiated"),
            "PyTorch, compiled": torch_logistic(output, "compiled"),
            "lambdify": lambdified(output),
            "copying": copying,
        }
    table["focal gradient_hessian"] = tiers("focal", "label", "gradient_hessian", gamma=2) | {
        "numba": single(numba_focal),
        "PyTorch, autograd": torch_focal,
    }
    for name, theirs, target in (("huber", "HuberLoss", "real"), ("poisson_log_link", "HalfPoissonLoss", "count")):
        for output in ("gradient_hessian", "loss_gradient"):
            table[f"{name} {output}"] = tiers(name, target, output) | {
                "scikit-learn": scikit_learn(theirs, target, output),
                "copying": copying,
            }
    for classes in (10, 1000):
        table[f"softmax {classes} loss_gradient"] = tiers("softmax_cross_entropy", "label", "loss_gradient") | {
            "scikit-learn": scikit_learn("HalfMultinomialLoss", "label", "loss_gradient"),
            "NumPy, by hand": single(numpy_softmax),
            "JAX": single(jax_softmax),
            "PyTorch": torch_softmax,
        }
    return table


# Measuring ---------------------------------------------------------------------------------------


def timed(calls: Mapping[str, Call]) -> dict[str, float]:
    """The median time of each call in seconds; every round calls each as often as fits into LEAST."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    repeat = {}
    for name, call in calls.items():
        call()
        began = time.perf_counter()
        call()
        repeat[name] = max(1, int(LEAST / max(time.perf_counter() - began, 1e-7)))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(repeat[name]):
                call()
            times[name].append((time.perf_counter() - began) / repeat[name])
    return {name: statistics.median(t) for name, t in times.items()}


def measured(only: str, sizes: tuple[int, ...], absent: set[str]) -> Iterator[dict[str, Any]]:
    for what, row in contenders().items():
        if only not in what:
            continue
        for dtype in (np.float64, np.float32):
            for n in sizes:
                classes = int(what.split()[1]) if what.startswith("softmax") else 0
                if n < 1_000 and classes:
                    continue
                a = over_classes(dtype, n, classes) if classes else over_rows(dtype, n)
                for threads in (1, 2) if n >= 100_000 else (1,):
                    calls = {}
                    for name, bind in row.items():
                        try:
                            calls[name] = bind(a, threads)
                            calls[name]()
                        except NotHere:
                            continue
                        except Exception as error:
                            calls.pop(name, None)
                            absent.add(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
                    ns = {k: t / a["f"].size * 1e9 for k, t in timed(calls).items()}
                    yield {"what": what, "dtype": np.dtype(dtype).name, "n": n, "threads": threads, "ns": ns}


def drawn(domain: Domain, n: int, rng: np.random.Generator) -> Any:
    """Numbers that lie in a scalar domain."""
    if isinstance(domain, FiniteSet):
        return rng.choice(domain.values, n)
    if isinstance(domain, Integers):
        return domain.low + rng.poisson(2, n)
    assert isinstance(domain, Interval)
    if np.isfinite(domain.low) and np.isfinite(domain.high):
        return rng.uniform(domain.low, domain.high, n)
    if np.isfinite(domain.low) or np.isfinite(domain.high):
        return domain.low + rng.gamma(2, 1, n) if np.isfinite(domain.low) else domain.high - rng.gamma(2, 1, n)
    return rng.normal(0, 3, n)


def catalogue(n: int = 100_000) -> Iterator[dict[str, Any]]:
    """The gradient and Hessian of every scalar loss, beside its NumPy code, with arrays for the results."""
    for name in dir(lf.losses):
        loss = getattr(lf.losses, name)
        signature = Signature.of(catalogue_facts(name))
        if signature.vector or signature.stacked:
            continue
        for dtype in (np.float64, np.float32):
            rng = np.random.default_rng(0)
            columns = {
                role: np.stack([drawn(s.domain, n, rng) for s in slots], axis=-1).astype(dtype)
                for role, slots in (("y", signature.targets), ("f", signature.predictions))
                if slots
            }
            y = columns["y"][:, 0] if len(signature.targets) == 1 else columns.get("y", 0.0)
            f, outs = np.ascontiguousarray(columns["f"][:, 0]), (np.empty(n, dtype), np.empty(n, dtype))
            y = np.ascontiguousarray(y)
            calls = {}
            for label, options in (("fast", {"tier": "fast"}), ("accurate", {}), ("NumPy", {"backend": "numpy"})):
                method = loss(**options).gradient_hessian
                calls[label] = lambda method=method, y=y, f=f, outs=outs: method(y, f, out=outs, check_domain=False)
            ns = {k: t / n * 1e9 for k, t in timed(calls).items()}
            yield {"what": name, "dtype": np.dtype(dtype).name, "n": n, "threads": 1, "ns": ns}


def machine() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", metavar="TEXT", default="", help="the rows whose name contains TEXT")
    parser.add_argument("--catalogue", action="store_true", help="every loss of the catalogue beside its NumPy code")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    absent: set[str] = set()
    said = f"{machine()}; instructions: {native.instructions()}; {native.compiler().version}; NumPy {np.__version__}"
    print(said + "\nns a number, and in parentheses how many times as long as `fast`\n")
    rows = []
    sizes = tuple(int(s) for s in options.sizes.split(","))
    for row in catalogue() if options.catalogue else measured(options.only, sizes, absent):
        rows.append(row)
        cells = "  ".join(f"{k} {t:.2f} ({t / row['ns']['fast']:.1f})" for k, t in row["ns"].items())
        print(f"{row['what']}, {row['dtype']}, n = {row['n']}, threads = {row['threads']}: {cells}", flush=True)
    for name in sorted(absent):
        print(f"absent: {name}", file=sys.stderr)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": said, "rows": rows, "absent": sorted(absent)}, file, indent=1)


if __name__ == "__main__":
    main()
