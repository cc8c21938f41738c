"""How wrong is float32 at worst? Every bit pattern of the prediction, for a few targets, beside the kernel in float64.

    python benchmarks/exhaustive.py [LOSS ...] [--every N] [--tier fast]

A pattern takes about 20 ns, all of them one or two minutes for each target. The truth is the kernel in float64
on the same numbers, which `lossforge check` compares with exact values; its own error is a billionth of what is looked
for. The table shows the largest error of each output in units in the last place of float32, and where it is.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import os
import struct

import numpy as np

from lossforge.runtime import native
from lossforge.runtime.artifacts import Artifacts, catalogue_facts
from lossforge.runtime.parameters import bind, rounded

TARGETS: dict[str, tuple[float, ...]] = {
    "logistic": (-1, 1), "binary_cross_entropy_logits": (0, 1), "focal": (0, 1), "brier_logits": (0, 1),
    "exponential": (-1, 1), "poisson_log_link": (0, 7), "gamma_log_link": (0.5, 3), "huber": (0, 1),
    "pseudo_huber": (0, 1), "log_cosh": (0, 1), "welsch": (0, 1), "cauchy": (0, 1),
}  # fmt: skip
CHUNK = 1 << 26

HARNESS = """
#include <string.h>
#include <math.h>

static double error_of(float found, double truth)
{
    if (truth != truth || found != found)
        return truth != truth && found != found ? 0 : HUGE_VAL;
    const double size = fabs(truth);
    if (size >= 0x1.ffffffp127) /* what rounds to infinity */
        return (double)found == (truth < 0 ? -HUGE_VAL : HUGE_VAL) ? 0 : HUGE_VAL;
    int exponent = -125;
    if (size >= 0x1p-126)
        frexp(size, &exponent);
    return fabs((double)found - truth) * ldexp(1, 24 - exponent);
}

void lossforge_exhaustive(uint64_t start, uint64_t end, uint64_t step, int first, float target,
                          const float *parameters, double *worst, uint32_t *where)
{
    enum { N = 1024 };
    float f[N], y[N], found[3][N];
    double F[N], Y[N], truth[3][N], exact[16];
    for (int i = 0; i < PARAMETERS; i++)
        exact[i] = parameters[i];
    for (int i = 0; i < N; i++)
        y[i] = target, Y[i] = target;
    for (uint64_t at = start; at < end; at += N * step) {
        for (uint64_t i = 0; i < N; i++) {
            const uint64_t pattern = at + i * step;
            const uint32_t bits = (uint32_t)(pattern < end ? pattern : start);
            memcpy(&f[i], &bits, sizeof bits);
            if (isinf(f[i]))
                f[i] = 0; /* outside of every domain */
            F[i] = f[i];
        }
        const void *const small[] = {first ? f : y, first ? y : f, NULL};
        const void *const large[] = {first ? F : Y, first ? Y : F, NULL};
        void *const out[] = {found[0], found[1], found[2]}, *const exactly[] = {truth[0], truth[1], truth[2]};
        SMALL(N, 1, small, parameters, out);
        LARGE(N, 1, large, exact, exactly);
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < N; i++) {
                const double error = error_of(found[k][i], truth[k][i]);
                if (error > worst[k]) {
                    worst[k] = error;
                    memcpy(&where[k], &f[i], sizeof where[k]);
                }
            }
    }
}
"""


def harness(name: str, tier: str) -> ctypes.CDLL:
    """The kernels of a loss in a tier; also the fast ones in float64 are exact enough for this."""
    artifacts = Artifacts(catalogue_facts(name))
    parameters, kernel = artifacts.facts["parameters"], "loss_gradient_hessian"
    source = artifacts.c_text()
    for half in native.HALVES:  # both precisions in one piece, as the harness calls both
        source = source.replace(half, "LOSSFORGE_HALF")
    large = f"lossforge_{name}_{kernel}_f64_at"
    small = f"lossforge_{name}_{kernel}_f32_at"
    defines = f"#define PARAMETERS {len(parameters)}\n#define SMALL {small}\n#define LARGE {large}\n"
    return native.build(
        "exhaustive", source + defines + HARNESS, ("-DLOSSFORGE_FAST",) if tier == "fast" else ()
    ).library


def worst(name: str, target: float, every: int, tier: str) -> list[tuple[float, float]]:
    """(error, prediction) of each output."""
    function = harness(name, tier).lossforge_exhaustive
    facts = catalogue_facts(name)
    first = next(iter(facts["arguments"])) != "y"
    scalars = rounded(name, facts["parameters"], bind(name, facts["parameters"], {}, ""), np.dtype(np.float32))
    parameters = (ctypes.c_float * max(1, len(scalars)))(*map(float, scalars))

    def run(start: int) -> list[tuple[float, float]]:
        errors, where = (ctypes.c_double * 3)(-1, -1, -1), (ctypes.c_uint32 * 3)()
        end = min(start + CHUNK, 1 << 32)
        wide = ctypes.c_uint64
        function(wide(start), wide(end), wide(every), int(first), ctypes.c_float(target), parameters, errors, where)
        return [(e, struct.unpack("f", struct.pack("I", w))[0]) for e, w in zip(errors, where, strict=True)]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [max(found) for found in zip(*pool.map(run, range(0, 1 << 32, CHUNK)), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("losses", nargs="*", metavar="LOSS", default=[*TARGETS])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one pattern of N")
    parser.add_argument("--tier", choices=["accurate", "fast"], default="accurate")
    options = parser.parse_args()
    print("| loss | target | loss | gradient | Hessian |\n| --- | --- | --- | --- | --- |")
    for name in options.losses:
        for target in TARGETS.get(name, (0.0, 1.0)):
            found = worst(name, target, options.every, options.tier)
            print(f"| `{name}` | {target} | " + " | ".join(f"{e:.4f} at {f:.9g}" for e, f in found) + " |", flush=True)


if __name__ == "__main__":
    main()
