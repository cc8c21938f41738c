"""What does `build --target` write? One file with a loss as an objective of a library, which needs no lossforge."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click

from .facts import GENERATED, Facts, catalogue
from .losses import is_path, resolve, spec_errors
from .status import BadInput, Finding

if TYPE_CHECKING:
    pass

# Written by code generation, as PyTorch's and JAX's own code, with nothing to carry.
TENSORS = ("torch", "jax")


def build_target(
    loss: str,
    domains: Mapping[str, str],
    target: str,
    chosen: Mapping[str, float],
    curvature: str | None,
    out: Path | None,
    only_check: bool,
) -> None:
    """Write the file, or with `only_check` compare it with what stands there; raises Finding where it differs."""
    from ..codegen.build import write
    from ..codegen.render import Artifact
    from ..codegen.vendor import objective_file
    from ..runtime.objectives import LIBRARIES

    if target not in LIBRARIES:
        near = get_close_matches(target, LIBRARIES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known targets: {', '.join(LIBRARIES)}."
        raise BadInput(f"there is no target {target!r}. {hint}")
    facts, module = _generated(loss, domains, "numpy" if target not in TENSORS else target)
    path = _place(out, f"{facts['name']}_{target}.py")
    again = _command(loss, domains, target, chosen, curvature)
    if target in TENSORS:
        if chosen or curvature:
            raise BadInput(f"the code for {target} takes parameters when it is called, and needs no curvature")
        text = module
    else:
        _refuse(facts, chosen, curvature)
        text = objective_file(facts, module, target, LIBRARIES[target], again, curvature=curvature, parameters=chosen)
    made = [Artifact(path.name, text)]
    if not only_check:
        write(made, path.parent)
        click.echo(f"{path} is written; it needs NumPy and {target} alone")
        return
    if not path.is_file() or path.read_bytes() != text.encode():
        kind = "changed" if path.is_file() else "missing"
        click.echo(f"{kind:<8} {path}")
        raise Finding(f"{path} is not what would be written; mend it with: {again} --out {shlex.quote(str(path))}")
    click.echo(f"{path} is up to date")


def _generated(loss: str, domains: Mapping[str, str], kind: str) -> tuple[Facts, str]:
    """Facts and module of a loss: of the catalogue as they were generated, of any other made now."""
    if loss in catalogue():
        facts = json.loads((GENERATED / "facts" / f"{loss}.json").read_text(encoding="utf-8"))
        return facts, (GENERATED / kind / f"{loss}.py").read_text(encoding="utf-8")
    from ..codegen.build import artifacts
    from ..codegen.compile import proved_artifacts

    with spec_errors():
        found = resolve(loss, domains)
        made = artifacts(found, targets=(kind,)) if kind in TENSORS else proved_artifacts(found)
    texts = {a.path.split("/")[0]: a.text for a in made}
    return json.loads(texts["facts"]), texts[kind]


def _refuse(facts: Facts, chosen: Mapping[str, float], curvature: str | None) -> None:
    """Raise BadInput for parameters and a curvature that the loss does not have."""
    from ..runtime.errors import ParameterError
    from ..runtime.objectives.curvature import choose
    from ..runtime.parameters import bind, default_of

    declared = facts["parameters"]
    try:
        known = {n: p for n, p in declared.items() if n in chosen or default_of(p) is not None}
        bound = bind(facts["name"], known if chosen.keys() <= known.keys() else declared, chosen)
        if curvature is not None:
            choose(SimpleNamespace(name=facts["name"], facts=facts, parameters=bound), curvature)
    except (ParameterError, ValueError) as error:
        raise BadInput(str(error)) from None


def _place(out: Path | None, name: str) -> Path:
    """Where to write: in the current folder, in the folder named, or in the file named."""
    if out is None:
        return Path(name)
    return out if out.suffix == ".py" and not out.is_dir() else out / name


def _command(
    loss: str, domains: Mapping[str, str], target: str, chosen: Mapping[str, float], curvature: str | None
) -> str:
    """The command that writes this file anew, the same wherever it is written to."""
    given = Path(loss).name if is_path(loss) else loss
    options = [f"-p{name}={domain}" for name, domain in domains.items()]
    options += ["--target", target, *(f"--set={name}={value}" for name, value in chosen.items())]
    return shlex.join(["lossforge", "build", given, *options, *(["--curvature", curvature] if curvature else [])])
