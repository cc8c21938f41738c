"""How is a loss evaluated on more rows than memory holds? In the workers, chunk by chunk, three numbers from each.

    python3 examples/dask_out_of_core.py --rows 100_000_000
    python3 examples/dask_out_of_core.py --rows 1_000_000 --verify
    python3 examples/dask_out_of_core.py --scheduler tcp://scheduler:8786

Targets and predictions are made by the workers, where yours would be read from a store (`da.from_zarr`,
`dd.read_parquet(...).to_dask_array()`); neither they nor the losses ever stand in one memory as a whole. The sums of
the chunks are added exactly (`math.fsum`), so that the result does not depend on who finished first.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from contextlib import ExitStack
from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from numpy.typing import NDArray

import lossforge as lf

CHUNK = 1_000_000


def sums(y: NDArray[np.float64], f: NDArray[np.float64], loss: lf.LossFunction) -> NDArray[np.float64]:
    """Of one chunk: the sum of the losses, the sum of the squared gradients, and the number of rows; (1, 3)."""
    gradient = loss.gradient(y, f)
    return np.array([[loss.sum(y, f), gradient @ gradient, len(y)]])


def evaluate(loss: lf.LossFunction, y: da.Array, f: da.Array) -> tuple[float, float]:
    """The mean loss, and the Euclidean norm of the gradient of the sum of the losses."""
    blocks = (1,) * y.numblocks[0]
    parts = da.map_blocks(sums, y, f, loss=loss, dtype=np.float64, new_axis=1, chunks=(blocks, (3,))).compute()
    losses, squares, rows = (math.fsum(column) for column in parts.T)
    return losses / rows, math.sqrt(squares)


def data(rows: int) -> tuple[da.Array, da.Array]:
    """Heavy-tailed targets and predictions of them, made where they are used."""
    rng = da.random.default_rng(11)
    f = rng.normal(size=rows, chunks=CHUNK)
    return f + rng.laplace(size=rows, chunks=CHUNK), f


def peak(client: Client) -> str:
    """The largest memory that each worker has held."""
    found: dict[str, Any] = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return ", ".join(f"{kib / 1024:.0f} MiB" for kib in found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate a loss over rows that do not fit into memory.")
    parser.add_argument("--scheduler", help="address of a running scheduler, such as tcp://10.0.0.5:8786")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--verify", action="store_true", help="compare with exact sums in this process")
    given = parser.parse_args()
    loss = lf.losses.pseudo_huber(delta=1)
    with ExitStack() as stack:
        address = given.scheduler
        if address is None:
            local = LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None)
            address = stack.enter_context(local).scheduler_address
        client = stack.enter_context(Client(address))
        client.run(lambda: lf.losses.pseudo_huber(delta=1).backend)  # compiles, where that was not done yet
        print(f"before  peak memory of the workers: {peak(client)}")
        y, f = data(given.rows)
        began = time.perf_counter()
        mean, norm = evaluate(loss, y, f)
        print(f"{given.rows} rows in {time.perf_counter() - began:.1f} s: mean loss {mean!r}, gradient norm {norm!r}")
        print(f"after   peak memory of the workers: {peak(client)}")
        if given.verify:
            here, there = y.compute(), f.compute()
            exact = math.fsum(loss.loss(here, there)) / len(here)
            length = math.sqrt(math.fsum(loss.gradient(here, there) ** 2))
            print(f"exactly: mean loss {exact!r}, gradient norm {length!r}")
            assert math.isclose(mean, exact, rel_tol=1e-14) and math.isclose(norm, length, rel_tol=1e-14)


if __name__ == "__main__":
    main()
