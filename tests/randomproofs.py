"""Random formulas of losses as text, their proofs and what sampling says: what the fuzz test runs.

    PYTHONPATH=src:tests python -m randomproofs 2000 --seed 1 --jobs 2

claims convexity of 2000 formulas, checks every certificate, holds every claim against samples that know only the text,
and prints how many are decided, undecided and wrong, the times, and the texts that matter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from types import FrameType
from typing import Any

from lossforge.derive.checker import check
from lossforge.derive.prove import Prover
from lossforge.derive.reading import Unproved
from lossforge.derive.tower import Finer
from lossforge.verify.falsify import falsify

POINTS = 1500  # sampled for one claim
SLOW = 10.0  # seconds for one claim, beyond which it is called slow


class TooSlowError(Exception):
    """The engine has been at one claim for too long."""


def statement(text: str) -> dict[str, Any]:
    """A loss of the residual r, with the parameter c > 0 if the text has one."""
    words = "".join(x if x.isalnum() else " " for x in text).split()
    return {
        "formula": text,
        "definitions": {},
        "variable": "r",
        "base": "residual",
        "domain": "(-oo, oo)",
        "inputs": {},
        "parameters": {"c": "(0, oo)"} if "c" in words else {},
    }


# The grammar -------------------------------------------------------------------------------------


def formulas(seed: int, count: int, wide: bool = False) -> list[str]:
    """Different formulas, the same ones for the same seed; with `wide` also of shapes and scales that are harder."""
    rng, out = random.Random(seed), dict[str, None]()
    while len(out) < count:
        text = formula(rng, wide)
        if "r" in "".join(x if x.isalnum() else " " for x in text).split():
            out[text] = None
    return list(out)


def formula(rng: random.Random, wide: bool) -> str:
    one, other, weight = base(rng, wide), base(rng, wide), rational(rng)
    shapes = [one, f"{one} + {rational(rng, True)}*{other}", f"{weight}*{one} + {other}", f"{one}/2 + {weight}*r"]
    return rng.choice([*shapes, f"{one} - {other}"] if wide else shapes)


def base(rng: random.Random, wide: bool) -> str:
    """One term: what authors of losses write, and what they should not."""
    u, plus, c = affine(rng, wide), positive(rng, wide), rng.choice(("1", "2", "c", "1/2"))
    exponent = f"{rng.choice((-3, -1, 1, 3, 2))}/{rng.choice((1, 2))}"
    shapes = [
        f"({u})**2", f"abs({u})", f"max(0, {u})", f"max(0, {u})**2", f"exp({u})", f"log({plus})", f"sqrt({plus})",
        f"(1/({plus}))", f"({plus})**({exponent})", f"log(1 + exp({u}))", f"tanh({u})", piecewise(rng, u),
        f"(({u})**2*exp(-r**2))", f"softplus({u})",
    ]  # fmt: skip
    more = [
        f"min(({u})**2, {c})", f"abs({u})**({rng.choice(('3/2', '3', '1/2', '4/3'))})", f"atan({u})",
        f"(r**2/2 if abs(r) <= {c} else {c}*(abs(r) - {c}/2))", f"(({u})*tanh(r))", f"exp(-({u})**2)",
        f"({plus})**({rng.choice(('1/4', '1/3', '-4/3'))})", f"(({u})*sigmoid(r))",
    ]  # fmt: skip
    return rng.choice([*shapes, *more] if wide else shapes)


def piecewise(rng: random.Random, u: str) -> str:
    """A parabola continued by a line, which meets it at 1."""
    at = "".join({"r": "1"}.get(x, x) for x in u)
    return f"(({u})**2/2 if r <= 1 else ({at})**2/2 + {rational(rng)}*(r - 1))"


def affine(rng: random.Random, wide: bool) -> str:
    slope, shift = rational(rng), rng.choice(("", "", " + 1", " - 1", " + 2", " + c", " - c"))
    text = {"1": "r", "-1": "-r"}.get(slope, f"{slope}*r") + shift
    return rng.choice((text, text, text, "r/c")) if wide else text


def positive(rng: random.Random, wide: bool) -> str:
    u = affine(rng, wide)
    shapes = f"exp({u})", f"1 + ({u})**2", f"1 + exp({u})", f"sqrt(1 + ({u})**2)", f"cosh({u})"
    return rng.choice((*shapes, f"exp({u}) + exp(-2*({u}))"))


def rational(rng: random.Random, above: bool = False) -> str:
    """A small number other than 0; a positive one with `above`."""
    q = Fraction(rng.choice((-3, -2, -1, 1, 2, 3, 1, 1)), rng.choice((1, 1, 2, 3)))
    return str(abs(q) if above else q)


# What becomes of one formula ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """A claim about a formula: its verdict or "crash" or "slow", what speaks against it, how long the prover took."""

    text: str
    verdict: str
    against: str
    seconds: float
    check_seconds: float = 0.0

    @property
    def decided(self) -> bool:
        return self.verdict in ("proved", "refuted", "conditional")


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooSlowError in what takes longer, where the system has such an alarm."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(text: str, name: str = "convex", points: int = POINTS, seconds: float = 30.0) -> Outcome:
    """Prove or refute, check, sample."""
    loss, start = statement(text), time.perf_counter()
    try:
        with limited(seconds):
            claim, certificate = Prover(loss, name).claim()
    except TooSlowError:
        return Outcome(text, "slow", "", time.perf_counter() - start)
    except (Exception, Finer) as error:  # whatever it is, it is a finding
        return Outcome(text, "crash", repr(error), time.perf_counter() - start)
    taken = time.perf_counter() - start
    if claim["verdict"] == "undecided":
        return Outcome(text, "undecided", str(claim.get("reason", "")), taken)
    stored = json.loads(json.dumps(certificate))  # as it is read from a file
    start = time.perf_counter()
    try:
        check(loss, claim, stored)
    except (Unproved, Finer) as error:
        return Outcome(text, claim["verdict"], f"its own certificate is refused: {error!r}", taken)
    checking = time.perf_counter() - start
    found = falsify(loss, {name: claim}, points)
    against = "; ".join(f"{x.kind}: {x.message} {dict(x.at)} ({claim})" for x in found[:1])
    return Outcome(text, claim["verdict"], against, taken, checking)


def report(outcomes: list[Outcome]) -> dict[str, Any]:
    """The figures of a run."""
    times = sorted(o.seconds for o in outcomes)
    counts: dict[str, int] = {}
    for o in outcomes:
        counts[o.verdict] = counts.get(o.verdict, 0) + 1
    return {
        "formulas": len(outcomes),
        "decided": sum(o.decided for o in outcomes),
        "undecided": sum(not o.decided for o in outcomes),
        "wrong": sum(o.decided and bool(o.against) for o in outcomes),
        "slow": sum(o.seconds > SLOW for o in outcomes),
        "verdicts": dict(sorted(counts.items())),
        "mean time": round(sum(times) / len(times), 3),
        "median time": round(times[len(times) // 2], 3),
        "max time": round(times[-1], 2),
        "mean time of the check": round(sum(o.check_seconds for o in outcomes) / len(times), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--property", default="convex")
    parser.add_argument("--json", help="where to write all outcomes, one a line")
    parser.add_argument("--wide", action="store_true", help="also shapes that are harder")
    options = parser.parse_args()
    work, done = partial(outcome, name=options.property, points=options.points), list[Outcome]()
    with ProcessPoolExecutor(options.jobs) as pool, open(options.json or os.devnull, "w", encoding="utf-8") as file:
        for o in pool.map(work, formulas(options.seed, options.count, options.wide), chunksize=1):
            done.append(o)
            print(json.dumps(asdict(o)), file=file, flush=True)
            if not o.decided or o.against or o.seconds > SLOW:
                print(f"{len(done)} {o.verdict} {o.seconds:.1f} s  {o.text}  {o.against}", flush=True)
    found = report(done)
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
