"""Where does the time go when the whole catalogue is derived and written, from a cold start?

    python benchmarks/cold.py [REPETITIONS]

Each repetition is a process of its own; the table shows the median seconds of
each stage.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time

STAGES = ("import libraries", "import lossforge", "derive", "lower", "optimise and print", "facts")


def once() -> list[float]:
    """Seconds of each stage, in this process."""
    marks = [time.perf_counter()]

    def mark() -> None:
        marks.append(time.perf_counter())

    import jinja2  # noqa: F401
    import mpmath  # noqa: F401
    import numpy  # noqa: F401
    import sympy  # noqa: F401

    mark()
    from lossforge.codegen.facts import facts
    from lossforge.codegen.kernels import kernels
    from lossforge.codegen.render import Header, render
    from lossforge.derive.derivation import derive
    from lossforge.spec.catalog import CATALOG

    mark()
    derivations = [derive(loss) for loss in CATALOG.values()]
    mark()
    lowered = [kernels(derivation) for derivation in derivations]
    mark()
    for derivation, those in zip(derivations, lowered, strict=True):
        for target in ("numpy", "c"):
            render(those, target, Header(derivation.loss.name, "", "", "", ""))
    mark()
    for derivation, those in zip(derivations, lowered, strict=True):
        facts(derivation, those)
    mark()
    return [b - a for a, b in itertools.pairwise(marks)]


def main() -> None:
    if sys.argv[1:] == ["--once"]:
        print(json.dumps(once()))
        return
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    command = [sys.executable, __file__, "--once"]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(repetitions)]
    medians = [statistics.median(run[i] for run in runs) for i in range(len(STAGES))]
    for stage, seconds in zip(STAGES, medians, strict=True):
        print(f"{stage:<20} {seconds:6.2f} s")
    print(f"{'all':<20} {sum(medians):6.2f} s")


if __name__ == "__main__":
    main()
