"""What follows from a formula, and in which steps?"""

from __future__ import annotations

import json

import click

from .losses import parameter_option, refuse_unneeded, resolve, spec_errors
from .page import FORMATS
from .progress import progress


@click.command("derive", short_help="Derive anew, step by step if you like.")
@click.argument("loss")
@parameter_option
@click.option("--steps", "with_steps", is_flag=True, help="Show each step of the derivation.")
@click.option("--no-proofs", is_flag=True, help="Leave out the properties; proving them may take a minute.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
def command(loss: str, parameters: dict[str, str], with_steps: bool, no_proofs: bool, as_json: bool, form: str) -> None:
    """Derive gradient, Hessian and kinks anew from the formula, and prove its properties."""
    refuse_unneeded(parameters, loss)
    found = resolve(loss, parameters)
    from ..codegen.facts import facts
    from ..derive.certificates import entry
    from ..derive.derivation import derive
    from ..derive.properties import statement_of
    from ..derive.proving import prove_losses
    from ..derive.steps import steps

    with spec_errors():
        derivation = derive(found)
        about = None if no_proofs or (with_steps and not as_json) else statement_of(derivation)
        shown = {}
        if about is not None:
            with progress("proving") as tell:
                ((_, claims),) = prove_losses({found.name: about}, tell=tell)
            shown = {name: entry(about, *made) for name, made in claims.items()}
        known = facts(derivation, properties=shown)
        chain = steps(derivation) if with_steps else []
    if as_json:
        listed = {"steps": [{"title": s.title, "text": s.text, "latex": s.latex} for s in chain]} if with_steps else {}
        click.echo(json.dumps(known | listed, indent=2, ensure_ascii=False))
    elif with_steps:
        click.echo(STEPS[form]([(s.title, s.latex if form != "text" else s.text) for s in chain]))
    else:
        click.echo(FORMATS[form](known))


def _text(chain: list[tuple[str, str]]) -> str:
    return "\n\n".join(
        f"{number}. {title}\n" + "\n".join(f"   {line}" for line in formula.splitlines())
        for number, (title, formula) in enumerate(chain, 1)
    )


def _latex(chain: list[tuple[str, str]]) -> str:
    items = "\n".join(f"  \\item {title}\n    \\[ {formula} \\]" for title, formula in chain)
    return f"\\begin{{enumerate}}\n{items}\n\\end{{enumerate}}"


def _markdown(chain: list[tuple[str, str]]) -> str:
    return "\n\n".join(
        f"{number}. {title}\n\n   $$\n   {formula}\n   $$" for number, (title, formula) in enumerate(chain, 1)
    )


STEPS = {"text": _text, "latex": _latex, "markdown": _markdown}
