"""PyTorch: NumPy's language under other names; numbers and tensors are told apart."""

from __future__ import annotations

from ...spec.names import RESERVED_PYTHON
from ..target import FLOAT64, Arrays, Target
from .numpy import calls, exp_difference, literal

# torch.sign(nan) is 0, and NaN must not get lost.
_SIGN = """
def sign(x):
    return torch.where(x == x, torch.sign(x), x)
"""
# torch.fmod(1e308, 0.1) is nan: the quotient overflows.
_FMOD = """
def fmod(x, y):
    # torch.fmod gives NaN where x / y overflows; so x is first reduced by a large multiple of y, which changes nothing.
    multiple = 2.0**100 if x.dtype == torch.float32 else 2.0**900
    return torch.fmod(torch.fmod(x, multiple * y), y)
"""

TORCH = Target(
    name="torch",
    extension=".py",
    template="torch.py.j2",
    calls={
        **calls("torch"),
        "erf": "torch.erf({0})",
        "sign": "sign({0})",
        "pow": "torch.pow({0}, {1})",
        "fmod": "fmod({0}, {1})",
        "nearest": "torch.round({0})",  # halves to even, as rint
    },
    literal=literal,
    select="torch.where({c}, {a}, {b})",
    typed="number({0})",
    boolean={"and": "&", "or": "|", "not": "~"},
    reserved=RESERVED_PYTHON | {"torch", "partial", "K", "classes", "number", "exp_difference", "sign", "fmod"},
    precisions=(FLOAT64,),
    eager_select=True,
    arrays=Arrays(
        head="number = partial({0}.new_full, ())",
        reduce={
            "sum": "torch.sum({0}, dim=1, keepdim=True)",
            "max": "torch.amax({0}, dim=1, keepdim=True)",
            "argmax": "torch.argmax({0}, dim=1, keepdim=True)",
        },
        take="torch.take_along_dim({0}, {1}, dim=1)",
        broadcast="torch.broadcast_to({0}, {1}).clone()",
        classes="torch.arange({0}.shape[1], device={0}.device)",
        fill="torch.zeros_like({1}) + {0}",
        helpers={"sign": _SIGN, "fmod": _FMOD, "exp_difference": exp_difference("torch")},
    ),
    argument="number({0})",
    of_number={
        "max": "torch.clamp({1}, min={0})",
        "min": "torch.clamp({1}, max={0})",
        "pow": "torch.pow({0}, {1})",
    },
)
