"""What is wrong with foreign code? The audit, step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.errors import EnvironmentLacking
from ...spec.domains import FiniteSet, Interval, parse_domain
from ...spec.model import Loss, SpecError
from ...spec.text import parse_expression
from ..floats import evaluate
from ..truth import OUTPUTS
from . import several
from .agreement import CLOSE, fits
from .child import described, unpacked
from .conventions import AUTOMATIC, LIBRARIES, Asker, Convention, Local, Oracle, Trial, find
from .ground import Floats, Ground, ground_of
from .process import Child, ChildDied, Limits
from .range import at_kinks, beyond, crash, ulps
from .relations import Diagnosis, Relations, relations_of
from .report import Finding, Report, Right, Verdict
from .target import target_of
from .weights import SAMPLE, reduced_weight_findings, refused, weight_findings

_UP_TO_FACTOR = ("sign", "factor", "sign and factor")


def audit(
    target: str | Callable[..., Any],
    loss: Loss,
    parameters: Mapping[str, float],
    *,
    library: str | None = None,
    output: Sequence[str] = (),
    keywords: Mapping[str, Any] | None = None,
    python: str | None = None,
    limits: Limits | None = None,
    prototype: str | None = None,
) -> Report:
    """Hold foreign code against the loss it is said to be of.

    `target` is a text that names it (see `target`) or a live callable; it runs in a child process, with the interpreter
    `python` where it is named by a place. `parameters` are those of the loss, each given. `library` is one of
    `conventions.LIBRARIES`; `output` names what is returned, such as ("gradient", "hessian"), where the numbers do not
    show it. `keywords` are passed on. Raises SpecError for what cannot be meant, EnvironmentLacking for a compiler or
    interpreter that is not there.
    """
    _expect(library, output)
    name = target if isinstance(target, str) else getattr(target, "__qualname__", type(target).__qualname__)
    if callable(target) and _would_stand_still(target, library):
        return examine(Local(target), name, loss, parameters, library=library, output=output, keywords=keywords)
    with Child(target_of(target, prototype), limits or Limits(), python or sys.executable) as child:
        return examine(child, name, loss, parameters, library=library, output=output, keywords=keywords)


def audit_formula(formula: str, output: str, loss: Loss, parameters: Mapping[str, float]) -> Report:
    """Hold a formula in text, in the symbols of the loss, against one of its outputs.

    Raises TextError, with the place, for a formula that cannot be read.
    """
    _expect(None, (output,))
    if loss.size is not None or len(loss.predictions) > 1:
        raise SpecError(f"a formula is held against losses of one raw score, and {loss.name} has several; audit code")
    symbols = {str(s): s for a in loss.arguments for s in (a.symbol,)} | {p.name: p.symbol for p in loss.parameters}
    meanings = {d.symbol: d.meaning for d in loss.definitions}
    expression = parse_expression(formula, symbols | {str(s): s for s in meanings}).xreplace(meanings)

    def typed(y: Floats, f: Floats) -> Floats:
        values = {loss.targets[0].name: y, loss.predictions[0].name: f, **parameters}
        return np.broadcast_to(np.asarray(evaluate(expression, values), np.float64), f.shape)

    return examine(Local(typed), formula, loss, parameters, output=(output,))


def audit_trusted(function: Callable[..., Any], loss: Loss, parameters: Mapping[str, float], **options: Any) -> Report:
    """The same for a function that may run in this process."""
    return examine(Local(function), getattr(function, "__qualname__", "function"), loss, parameters, **options)


def _would_stand_still(target: Callable[..., Any], library: str | None) -> bool:
    """Whether a live function is JAX's and JAX has started in this process: it does not survive a fork."""
    uses = library == "jax" or AUTOMATIC["jax"] & set(described(target)["modules"])
    if "jax" not in sys.modules or not uses:
        return False
    started = getattr(sys.modules.get("jax._src.xla_bridge"), "backends_are_initialized", None)
    return started is None or bool(started())


def _expect(library: str | None, output: Sequence[str]) -> None:
    if library is not None and library not in LIBRARIES:
        raise SpecError(f"the library is one of {', '.join(LIBRARIES)}; got {library!r}")
    for o in output:
        if o not in OUTPUTS:
            raise SpecError(f"an output is one of {', '.join(OUTPUTS)}; got {o!r}")


def examine(oracle: Oracle, name: str, loss: Loss, parameters: Mapping[str, float], *, library: str | None = None,
            output: Sequence[str] = (), keywords: Mapping[str, Any] | None = None) -> Report:  # fmt: skip
    """The steps: the convention, each output at ordinary points, then kinks, range, weights and the rest."""
    with np.errstate(all="ignore"):
        return _examined(oracle, name, loss, parameters, library, output, keywords)


def _examined(oracle: Oracle, name: str, loss: Loss, parameters: Mapping[str, float], library: str | None,
              output: Sequence[str], keywords: Mapping[str, Any] | None) -> Report:  # fmt: skip
    one = loss.size is None and len(loss.predictions) == 1
    ground = ground_of(loss, parameters) if one else None
    given = dict(keywords or {})
    try:
        about = oracle.start()
        if "error" in about:
            _unloadable(name, about)
        taken = {p["name"] for p in about.get("parameters", ())}
        passed = {n: v for n, v in parameters.items() if n in taken} | given
        if ground is None:
            return several.examine(oracle, about, name, loss, parameters, library, output, passed)
        trial, said = find(oracle, ground, library, output, passed)
        narrowed = _labels_only(trial, ground)
        if narrowed is not None:
            ground = narrowed
            trial, said = find(oracle, ground, library, output, passed)
    except ChildDied as death:
        return _dead(oracle, name, loss, parameters, f"{death}")
    if trial is None:
        return _uncallable(name, ground, said)
    asker = Asker(oracle, trial.convention, passed)
    findings: list[Finding] = []
    verdicts: list[Verdict] = []
    if narrowed is not None:
        findings.append(Finding("note", "labels", "call", "it is right for the labels 0 and 1 alone, not between them"))
    for o in trial.convention.outputs:
        verdict, found = _judge(ground, asker, trial, o)
        verdicts.append(verdict)
        findings += found
    findings += _together(trial, ground, verdicts, findings)
    findings += _further(ground, asker, trial, verdicts)
    ranked = sorted(findings, key=lambda f: (f.severity != "fault", OUTPUTS.index(f.output) if f.output in OUTPUTS
                                             else 9))  # fmt: skip
    return Report(name, loss.name, dict(parameters), tuple(trial.convention.words), tuple(verdicts),
                  tuple(_unrepeated(ranked)), _formulas(ground, trial.convention),
                  points=len(ground.fit) + len(ground.fresh))  # fmt: skip


def _judge(ground: Ground, asker: Asker, trial: Trial, output: str) -> tuple[Verdict, list[Finding]]:
    """Is one output right at ordinary points, and if not, what is it?"""
    relations, answers = relations_of(ground, output), trial.answers[output]
    right = relations.is_right(answers)
    if right.all():
        sample = ground.sample(relations.y, relations.f)
        worst = ulps(ground, sample, output, answers.values)
        words = f"right to {_sized(worst)} ulp over ordinary inputs"
        if answers.tolerance > CLOSE and worst > 2**20:
            words = f"right to single precision over ordinary inputs ({worst:.2g} ulp of double precision)"
        return Verdict(output, "right", worst, words), []
    with np.errstate(all="ignore"):
        scale = float(np.median(np.abs(relations.truth)))
        off = float(np.max(np.abs(answers.values - relations.truth) / np.maximum(np.abs(relations.truth), scale)))
    where = _first_failing(ground, asker, relations, answers.tolerance)
    if off < 1e-4:
        single = answers.tolerance > CLOSE
        severity = "fault" if off > 1e-6 and not single else "note"
        cause = "single precision leaves it" if single else "an added epsilon or a difference quotient is"
        words = f"nearly right: off by {off:.1e} of its size at worst, as {cause}"
        return Verdict(output, "nearly right", None, words), [
            _at(Finding(severity, "approximate", output, words), where)]  # type: ignore[arg-type]  # fmt: skip
    diagnoses = relations.diagnose(answers)
    if not diagnoses:
        diagnoses = [_unexplained(relations, answers.values)]
    first = diagnoses[0]
    verdict = "right up to a factor" if first.kind in _UP_TO_FACTOR else "wrong"
    found = [_at(Finding("fault", d.kind, output, d.words if n == 0 else f"in other words, {d.words}"),
                 where if n == 0 else {}) for n, d in enumerate(diagnoses)]  # fmt: skip
    share = float(np.mean(~right))
    words = (
        f"{verdict}: {first.words}" if verdict != "wrong" else f"wrong at {share:.0%} of ordinary inputs: {first.words}"
    )
    return Verdict(output, verdict, None, words), found  # type: ignore[arg-type]


def _unexplained(relations: Relations, values: Floats) -> Diagnosis:
    bad = ~np.isfinite(values)
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        what = "NaN" if np.isnan(values[place]) else "infinite"
        return Diagnosis(what, f"{what} at ordinary inputs ({bad.mean():.0%} of them)")
    return Diagnosis("unknown", "no known relation to the truth explains it")


def _first_failing(ground: Ground, asker: Asker, relations: Relations, tolerance: float) -> dict[str, Any]:
    """The plainest input at which the output is wrong, with both values."""
    sample = ground.plainest
    y, f = sample.y, sample.f
    try:
        values, _ = asker.at(y, f)
    except ChildDied:
        return {}
    u, t = values[relations.output], sample.exact[relations.output]
    off = np.flatnonzero(~fits(u, t, tolerance) & np.isfinite(t))
    if not len(off):
        return {}
    i = int(off[0])
    return {"given": {ground.target.name: float(y[i]), ground.prediction.name: float(f[i]), **ground.parameters},
            "computed": float(u[i]), "expected": float(t[i])}  # fmt: skip


def _at(finding: Finding, where: Mapping[str, Any]) -> Finding:
    return replace(finding, **where) if where else finding


def _together(trial: Trial, ground: Ground, verdicts: Sequence[Verdict], findings: Sequence[Finding]
              ) -> Iterator[Finding]:  # fmt: skip
    """What several outputs say only together: one factor in all of them."""
    factors = {}
    for v in verdicts:
        if v.verdict == "right up to a factor":
            relations = relations_of(ground, v.output)
            d = relations.diagnose(trial.answers[v.output])
            factors[v.output] = d[0].constant
    if len(factors) > 1 and len(factors) == len(verdicts):
        first, *rest = factors.values()
        if all(c is not None and first is not None and np.isclose(c, first) for c in rest):
            yield Finding("note", "scale", "call", "all outputs have the same factor: the loss itself is scaled by it")
    if factors.get("gradient") == -1 and trial.convention.form != "catboost":
        yield Finding("note", "scale", "call", "CatBoost wants negated derivatives; no other library does")


def _further(ground: Ground, asker: Asker, trial: Trial, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """Kinks and range of what is right; weights, other rows and what is done to the inputs."""
    right = [v.output for v in verdicts if v.verdict in ("right", "nearly right")]
    relations = {o: relations_of(ground, o) for o in right}
    answers = {o: trial.answers[o] for o in right}
    if right:
        tolerance = max(a.tolerance for a in answers.values())
        yield from at_kinks(ground, asker, right, tolerance)
        yield from beyond(ground, asker, relations, answers)
    try:
        yield from _weights(ground, asker, trial.convention)
        yield from _rows(ground, asker, trial)
        yield from _other_parameters(ground, asker, trial, right)
    except ChildDied as death:
        yield crash(asker, ground.fresh, f"{death}", ground)
    if asker.changed:
        yield Finding("fault", "changes its inputs", "call", "it writes into the arrays that it is given")


def _other_parameters(ground: Ground, asker: Asker, trial: Trial, right: Sequence[str]) -> Iterator[Finding]:
    """Code that takes a parameter of the loss by name: is it right for another value, too?"""
    for p in ground.loss.parameters:
        if p.name not in asker.keywords or not isinstance(p.domain, Interval) or not right:
            continue
        low, high, value = float(p.domain.low), float(p.domain.high), ground.parameters[p.name]
        bounded = np.isfinite(low) and np.isfinite(high)
        other = (
            low + (high - low) * (0.7 if value < low + (high - low) / 2 else 0.35) if bounded else value * 1.5 + 0.25
        )
        there = ground_of(ground.loss, {**ground.parameters, p.name: other})
        sample = there.fresh
        values, _ = replace(asker, keywords={**asker.keywords, p.name: other}).at(sample.y, sample.f)
        before, _ = asker.at(sample.y, sample.f)
        for o in right:
            wrong = np.flatnonzero(~fits(values[o], sample.exact[o], max(trial.answers[o].tolerance, 1e-6)))
            if len(wrong):
                ignored = np.array_equal(values[o], before[o], equal_nan=True)
                kind = "parameter ignored" if ignored else "parameter off"
                words = f"the parameter {p.name} is ignored" if ignored else f"it is wrong for {p.name} = {other:g}"
                i = int(wrong[0])
                given = {ground.target.name: float(sample.y[i]), ground.prediction.name: float(sample.f[i])}
                yield Finding("fault", kind, o, words, {**given, **there.parameters}, float(values[o][i]),
                              float(sample.exact[o][i]))  # fmt: skip


def _weights(ground: Ground, asker: Asker, c: Convention) -> Iterator[Finding]:
    """Are sample weights multiplied exactly once?"""
    if not c.weighable:
        return
    y, f = ground.fresh.y, ground.fresh.f
    w = np.resize(SAMPLE, len(y))
    plain, raised = asker.at(y, f, np.ones(len(y)))
    if raised and c.weighable != "form":
        yield refused(c.weighable, next(iter(raised.values())))
    elif c.split and not c.number:  # a number for all rows: its weights show in the whole alone
        message = asker.ask(y, f, w, False)
        if "error" not in message and c.outputs[0] == "loss":
            yield from reduced_weight_findings(plain["loss"], float(unpacked(message["outputs"][0]).sum()), w)
    else:
        weighed, _ = asker.at(y, f, w)
        yield from weight_findings(plain, weighed, w, c.form)


def _rows(ground: Ground, asker: Asker, trial: Trial) -> Iterator[Finding]:
    """Does a row's answer depend on the rows beside it, or on chance?"""
    if asker.convention.split:
        yield from _reduced(ground, asker, trial)
        return
    y, f = ground.fit.y, ground.fit.f
    half = len(y) // 2
    whole, _ = asker.at(y, f)
    part, _ = asker.at(y[:half], f[:half])
    again, _ = asker.at(y, f)
    for o in asker.convention.outputs:
        if not np.array_equal(whole[o], again[o], equal_nan=True):
            yield Finding("fault", "random", o, "the same inputs give different answers")
        elif not fits(part[o], whole[o][:half], 1e-6).all() and np.isfinite(whole[o]).all():
            ratio = fits(part[o], whole[o][:half] * len(y) / half, 1e-6).all()
            words = "it is divided by the number of rows" if ratio else "a row's answer depends on the other rows"
            yield Finding("fault", "mean reduction" if ratio else "depends on other rows", o, words)


def _reduced(ground: Ground, asker: Asker, trial: Trial) -> Iterator[Finding]:
    """Of a single number for all rows: is it their sum or their mean?"""
    whole = replace(asker, convention=replace(asker.convention, split=False))
    y, f = ground.fit.y, ground.fit.f
    o = "gradient" if asker.convention.automatic else asker.convention.outputs[0]
    if asker.convention.number:
        return
    alone, _ = asker.at(y, f)
    message = whole.ask(y, f, None, False)
    if "error" in message or o not in alone:
        return
    together, _ = whole.at(y, f)
    total = alone[o].sum() if o == "loss" else alone[o]
    if np.isclose(together[o][0], np.ravel(total)[0], rtol=1e-9):
        yield Finding("note", "sum reduction", "call", "the loss is the sum over the rows")
    elif np.isclose(together[o][0] * len(y), np.ravel(total)[0], rtol=1e-9):
        yield Finding("note", "mean reduction", "call", "the loss is the mean over the rows: of n rows, derivatives "
                      "are those of one row divided by n")  # fmt: skip


def _labels_only(trial: Trial | None, ground: Ground) -> Ground | None:
    """For code that is right at the labels 0 and 1 of a target that may lie between them: the loss of labels alone."""
    if trial is None or ground.target.domain.text != "[0, 1]" or trial.convention.targets:
        return None
    for o, a in trial.answers.items():
        relations = relations_of(ground, o)
        ends = (relations.y == 0) | (relations.y == 1)
        if relations.is_right(a, 1e-4).all() or not relations.is_right(a, 1e-4)[ends].any():
            continue
        inside = relations.is_right(a, 1e-4)
        if inside[ends].mean() > 0.4 and not inside[~ends].any():
            target = replace(ground.target, domain=_binary())
            arguments = tuple(target if x.role == "target" else x for x in ground.loss.arguments)
            return ground_of(replace(ground.loss, arguments=arguments), ground.parameters)
    return None


def _binary() -> FiniteSet:
    domain = parse_domain("{0, 1}")
    assert isinstance(domain, FiniteSet)
    return domain


def _formulas(ground: Ground, c: Convention) -> tuple[Right, ...]:
    return tuple(Right(o, ground.shown[o]) for o in c.outputs)


def _dead(oracle: Oracle, name: str, loss: Loss, parameters: Mapping[str, float], how: str) -> Report:
    """The process ended before anything was known: the input that does it, if it is one."""
    findings = [Finding("fault", "hangs" if "took more" in how else "crash", "call", how)]
    if loss.size is not None or len(loss.predictions) > 1:
        return Report(name, loss.name, dict(parameters), (), (), tuple(findings))
    ground = ground_of(loss, parameters)
    for form in ("yf", "fd"):
        asker = Asker(oracle, Convention(form, outputs=("gradient",)), {})
        try:
            asker.at(ground.fresh.y[:1], ground.fresh.f[:1])
        except ChildDied:
            findings = [crash(asker, ground.fresh.take(np.arange(4)), how, ground)]
            break
    return Report(name, ground.loss.name, dict(ground.parameters), (), (), tuple(findings))


def _unloadable(name: str, about: Mapping[str, Any]) -> None:
    """What could not be loaded has not been audited: that is no finding."""
    said = f"{about['error']}: {about['message']}" + (f", in {about['line']}" if about.get("line") else "")
    if about["error"] in ("ModuleNotFoundError", "ImportError"):
        raise EnvironmentLacking(f"{name} cannot be imported: {said}")
    raise SpecError(f"{name} cannot be loaded: {said}")


def _uncallable(name: str, ground: Ground, said: Mapping[str, Any]) -> Report:
    line = f", in {said['line']}" if said.get("line") else ""
    words = f"no way of calling it works; the first one raised {said.get('error')}: {said.get('message')}{line}"
    return Report(name, ground.loss.name, dict(ground.parameters), (), (), (Finding("fault", "raises", "call", words),))


def _unrepeated(findings: Sequence[Finding]) -> list[Finding]:
    return list({(f.severity, f.kind, f.output, f.words): f for f in findings}.values())


def _sized(value: float) -> str:
    return f"{value:.2g}" if value < 1000 else f"{value:.1e}"
