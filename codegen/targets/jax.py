"""JAX: NumPy's language; a Python number takes the precision of the array that it meets, also in a choice."""

from __future__ import annotations

import dataclasses

from ...spec.names import RESERVED_PYTHON
from ..target import FLOAT64, Target
from .numpy import arrays, calls, literal

JAX = Target(
    name="jax",
    extension=".py",
    template="jax.py.j2",
    calls={**calls("jnp"), "erf": "jax.lax.erf({0})"},
    literal=literal,
    select="jnp.where({c}, {a}, {b})",
    typed="{0}",
    boolean={"and": "&", "or": "|", "not": "~"},
    reserved=RESERVED_PYTHON | {"jax", "jnp", "K", "classes", "exp_difference"},
    precisions=(FLOAT64,),
    eager_select=True,
    arrays=dataclasses.replace(
        arrays("jnp"),
        broadcast="jnp.broadcast_to({0}, {1})",
        fill="jnp.zeros_like({1}) + {0}",
    ),
)
