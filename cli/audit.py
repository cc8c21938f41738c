"""Is a gradient that somebody else wrote right, and if not, what is wrong with it?"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .facts import GENERATED
from .losses import numbers, parameter_option, refuse_unneeded, resolve, spec_errors
from .status import BadInput, Finding, Lacking

if TYPE_CHECKING:
    from ..spec.model import Loss
    from ..verify.audit import Report

LIBRARIES = ("xgboost", "lightgbm", "catboost", "sklearn", "torch", "jax")
OUTPUTS = ("loss", "gradient", "hessian")


def audit_code(
    target: str | Callable[..., Any],
    loss: str | Loss,
    *,
    library: str | None = None,
    output: str | Sequence[str] = (),
    keywords: Mapping[str, Any] | None = None,
    python: str | None = None,
    prototype: str | None = None,
    seconds: float = 10.0,
    memory: int = 4 << 30,
    **parameters: float,
) -> Report:
    """Find out what is wrong with somebody's gradient, Hessian or loss; `lf.audit`.

    `target` is a callable, a CatBoost objective, or a text: `module:function`, `file.py:function`, `file.c:function`,
    `library.so:function`; behind the colon may stand an expression, as in `focal.py:Focal(gamma=2).objective`. `loss`
    is a name of the catalogue or a `Loss`, `parameters` are its own; those that have a default need not be given.

    How the code is called need not be said. `library` (one of xgboost, lightgbm, catboost, sklearn, torch, jax) or
    `output` ("gradient", or several) settle it where there is doubt. `keywords` are passed on to the code. It runs in a
    process of its own, with `python` where it is named by a text; a call that takes more than `seconds`, or a process
    that takes more than `memory` bytes, is ended, and that is a finding.

    The report says what it found: `ok`, `text()`, `as_data()`, `verdicts`, `findings`. Raises SpecError for what cannot
    be meant, ParameterError for parameters that do not fit, EnvironmentLacking for what cannot be imported or compiled.
    """
    from ..verify.audit.audit import audit
    from ..verify.audit.process import Limits

    spec = _loss(loss)
    report = audit(
        target,
        spec,
        bound(spec, parameters),
        library=library,
        output=(output,) if isinstance(output, str) else tuple(output),
        keywords=keywords,
        python=python,
        prototype=prototype,
        limits=Limits(seconds=seconds, memory=memory),
    )
    return with_code(report, spec)


def _loss(given: str | Loss) -> Loss:
    from ..runtime.parameters import nearest
    from ..spec.catalog import CATALOG
    from ..spec.model import SpecError, expect_loss

    if isinstance(given, str):
        if given not in CATALOG:
            hint = nearest(given, list(CATALOG)) or "; of a formula, pass lf.parse(...)"
            raise SpecError(f"the catalogue has no loss {given!r}{hint}")
        return CATALOG[given]
    return expect_loss(given, "lf.audit")


def bound(loss: Loss, given: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of the loss with a value in its domain; raises ParameterError otherwise."""
    from ..runtime.errors import ParameterError
    from ..spec.domains import Interval

    names = [p.name for p in loss.parameters]
    for name in given:
        if name not in names:
            raise ParameterError(f"{loss.name} has no parameter {name!r}; its parameters: {', '.join(names) or 'none'}")
    found = {}
    for p in loss.parameters:
        if p.name not in given and p.default is None:
            raise ParameterError(f"the parameter {p.name} of {loss.name} has no default; give it a value")
        value = float(given.get(p.name, p.default if p.default is not None else 0))
        if isinstance(p.domain, Interval):
            low, high = float(p.domain.low), float(p.domain.high)
            above = value > low if p.domain.low_open else value >= low
            if not (above and (value < high if p.domain.high_open else value <= high)):
                raise ParameterError(
                    f"{p.name} = {value:g} does not lie in {p.domain.text}, where {loss.name} is defined"
                )
        found[p.name] = value
    return found


# Code to paste -----------------------------------------------------------------------------------


def with_code(report: Report, loss: Loss) -> Report:
    """The report, and where there is a fault in an output, NumPy code that is right."""
    outputs = [v.output for v in report.verdicts]
    return report if report.ok or not outputs else replace(report, code=code_of(loss, outputs))


def code_of(loss: Loss, outputs: Sequence[str]) -> str:
    """The generated NumPy functions of these outputs, with what they need."""
    text = _numpy_text(loss)
    functions = {
        n.name: ast.get_source_segment(text, n) or "" for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)
    }
    together = "_".join(outputs)
    chosen = [together] if together in functions else [o for o in outputs if o in functions]
    body = "\n\n\n".join(functions[name] for name in chosen)
    kernels = {
        "loss",
        "gradient",
        "hessian",
        "loss_gradient",
        "gradient_hessian",
        "loss_gradient_hessian",
        "inverse_link",
    }
    helpers = [source for name, source in functions.items() if name not in kernels and f"{name}(" in body]
    return "\n\n\n".join(["import numpy as np", *helpers, body])


def _numpy_text(loss: Loss) -> str:
    from ..spec.catalog import CATALOG

    if CATALOG.get(loss.name) == loss:
        return (GENERATED / "numpy" / f"{loss.name}.py").read_text(encoding="utf-8")
    from ..codegen.build import artifacts

    return next(a.text for a in artifacts(loss, regenerate="lossforge build FILE") if a.path.startswith("numpy/"))


# The command -------------------------------------------------------------------------------------


@click.command("audit", short_help="Find what is wrong with a gradient written by hand.")
@click.argument("target", required=False)
@click.option("--loss", "loss", required=True, metavar="LOSS", help="What the code is said to be of.")
@parameter_option
@click.option("-P", "--set", "values", metavar="NAME=NUMBER", multiple=True, callback=numbers,
              help="The value of a parameter of the loss, such as -P gamma=2. May be repeated.")  # fmt: skip
@click.option("--library", type=click.Choice(LIBRARIES), help="Whose conventions the code follows.")
@click.option("--output", "outputs", type=click.Choice(OUTPUTS), multiple=True, help="What it returns, in order.")
@click.option("--gradient", metavar="FORMULA", help="Audit a formula for the gradient, in place of TARGET.")
@click.option("--hessian", metavar="FORMULA", help="Audit a formula for the Hessian, in place of TARGET.")
@click.option(
    "--prototype", metavar="TEXT", help='Of a C function without source, as in "double g(double y, double f)".'
)
@click.option("--python", "python", metavar="PATH", help="The interpreter that runs the code.")
@click.option("--seconds", type=click.FloatRange(min=0.01), default=10.0, show_default=True, help="Limit for one call.")
@click.option("--memory", type=click.IntRange(min=64), default=4096, show_default=True, help="Limit in MiB.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    target: str | None,
    loss: str,
    parameters: dict[str, str],
    values: dict[str, float],
    library: str | None,
    outputs: tuple[str, ...],
    gradient: str | None,
    hessian: str | None,
    prototype: str | None,
    python: str | None,
    seconds: float,
    memory: int,
    as_json: bool,
) -> None:
    """Hold somebody's code against the exact values of LOSS, and say what is wrong with it.

    \b
    TARGET is one of
      module:function      also an expression: module:Focal(gamma=2).objective
      file.py:function
      file.c:function      compiled here; or library.so:function

    How the code is called is found out: the order of its arguments, labels 0 and 1 or -1 and 1, data
    sets as XGBoost and LightGBM pass them, CatBoost's calc_ders_range, PyTorch and JAX functions, one
    number at a time or arrays. It runs in a process of its own: a crash is a finding.

    Exit status 1 means that there is a fault; notes alone, as about digits lost in numbers too small to
    matter, are no fault.
    """
    refuse_unneeded(parameters, loss)
    formulas = {o: f for o, f in (("gradient", gradient), ("hessian", hessian)) if f is not None}
    if (target is None) == (not formulas):
        raise click.UsageError("name the code to audit, TARGET, or give a formula with --gradient or --hessian")
    from ..runtime.errors import EnvironmentLacking, ParameterError
    from ..verify.audit.audit import audit_formula

    spec = resolve(loss, parameters)
    try:
        with spec_errors():
            given = bound(spec, values)
            if target is None:
                reports = [with_code(audit_formula(f, o, spec, given), spec) for o, f in formulas.items()]
            else:
                options: dict[str, Any] = {"library": library, "output": outputs, "python": python, **given}
                options |= {"prototype": prototype, "seconds": seconds, "memory": memory << 20}
                reports = [audit_code(target, spec, **options)]
    except ParameterError as error:
        raise BadInput(f"{error}") from None
    except EnvironmentLacking as error:
        raise Lacking(f"{error}") from None
    if as_json:
        documents = [r.as_data() for r in reports]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else {"schema": 1, "reports": documents}, indent=2))
    else:
        click.echo("\n".join(r.text() for r in reports))
    if faults := sum(len(r.faults) for r in reports):
        raise Finding(f"{faults} fault{'s' * (faults != 1)} found")
