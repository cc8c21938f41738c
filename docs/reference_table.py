"""Where do the properties that LossFunctions.jl types by hand differ from the proved ones? Writes reference_table.md.

python docs/reference_table.py [FACTS]           write docs/reference_table.md from generated/facts, or another folder
python docs/reference_table.py [FACTS] --check   exit 1 when the page is not what would be written

LossFunctions.jl answers questions such as `isconvex(loss)` from traits that its authors wrote down. Those traits are
transcribed in TRAITS, for the losses that both libraries have. Ours come from the facts; where the facts have none, or
where their formula is not ours, they are proved here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "generated" / "facts"
PAGE = ROOT / "docs" / "reference_table.md"
REPOSITORY = "https://github.com/JuliaML/LossFunctions.jl"
COMMIT = "680c10d73fc768d8439ec10b19b1dc70c26a6cd0"
PLACES = "`src/traits.jl`, `src/losses/distance.jl`, `src/losses/margin.jl`, `src/losses/other.jl`"

QUESTIONS = {  # our column -> their function
    "convex": "isconvex", "strictly convex": "isstrictlyconvex", "strongly convex": "isstronglyconvex",
    "differentiable": "isdifferentiable", "twice differentiable": "istwicedifferentiable",
    "Lipschitz": "islipschitzcont", "symmetric": "issymmetric", "class-calibrated": "isclasscalibrated",
}  # fmt: skip
PROPERTY = {
    "convex": "convex", "strictly convex": "strictly_convex", "strongly convex": "strongly_convex",
    "differentiable": "differentiable", "twice differentiable": "differentiable", "Lipschitz": "lipschitz",
    "symmetric": "symmetric", "class-calibrated": "calibrated",
}  # fmt: skip
SHAPE = list(QUESTIONS)[:6]


@dataclass(frozen=True)
class Theirs:
    """One loss of LossFunctions.jl: answers to SHAPE as T, F, or t, f where the answer is only its default."""

    name: str
    ours: str
    answers: str
    last: str  # symmetric (of a distance), class-calibrated (of a margin), "-" where the question has no meaning
    formula: str = ""  # where theirs is a special case of ours, or differs at a point
    remark: str = ""
    when: dict[str, str] = field(default_factory=dict)  # an answer that depends on a parameter


TRAITS = (
    Theirs("L1DistLoss", "absolute_error", "TFFFFT", "T"),
    Theirs("L2DistLoss", "squared_error", "TTTTTF", "T"),
    Theirs("LPDistLoss{3/2}", "power_error", "TTFTTF", "T", "abs(r)**(3/2)", "their traits are rules in P"),
    Theirs("LPDistLoss{3}", "power_error", "TTTTTF", "T", "abs(r)**3", "their traits are rules in P"),
    Theirs("PeriodicLoss", "periodic", "FFFTTT", "f"),
    Theirs("HuberLoss", "huber", "TFFTFT", "T"),
    Theirs("L1EpsilonInsLoss", "epsilon_insensitive", "TFFFFT", "T"),
    Theirs("L2EpsilonInsLoss", "squared_epsilon_insensitive", "TTTTFF", "T"),
    Theirs("LogitDistLoss", "logistic_distance", "TTFTTT", "T"),
    Theirs("QuantileLoss", "pinball", "TFFFFT", "T", when={"symmetric": "tau == 1/2"}),
    Theirs("LogCoshLoss", "log_cosh", "TTTTTT", "T"),
    Theirs("ZeroOneLoss", "zero_one", "FffFFT", "-", "1 if m < 0 else 0"),  # class-calibrated: see the last section
    Theirs("PerceptronLoss", "perceptron", "TFFFFT", "f"),
    Theirs("LogitMarginLoss", "logistic", "TTFTTT", "t"),
    Theirs("L1HingeLoss", "hinge", "TFFFFT", "t"),
    Theirs("L2HingeLoss", "squared_hinge", "TFFTFF", "t"),
    Theirs("SmoothedL1HingeLoss", "smoothed_hinge", "TFFTFT", "t"),
    Theirs("ModifiedHuberLoss", "modified_huber", "TFFTFT", "t"),
    Theirs("L2MarginLoss", "squared_margin", "TTTTTF", "t"),
    Theirs("ExpLoss", "exponential", "TTFTTF", "t"),
    Theirs("SigmoidLoss", "tanh_loss", "FFFTTT", "T"),
    Theirs("DWDMarginLoss", "distance_weighted_discrimination", "TFFTTT", "t"),
    Theirs("PoissonLoss", "poisson_log_link", "TfFTTF", "-", "", "strict convexity is a TODO in their source"),
    Theirs("CrossEntropyLoss", "binary_cross_entropy", "TffTTf", "-"),
)


def asked(row: Theirs, base: str | None) -> dict[str, str]:
    """Question -> T, F, t, f (a default), or the condition on a parameter under which they say yes."""
    last = {"residual": "symmetric", "margin": "class-calibrated"}.get(base or "")
    answers = dict(zip(SHAPE, row.answers, strict=True))
    if last and row.last != "-":
        answers[last] = row.last
    return answers | row.when


def said(question: str, claim: dict[str, Any]) -> str:
    """What our claim says to their question: T, F, ?, or the condition under which it is true."""
    verdict = claim["verdict"]
    if question == "twice differentiable":
        if verdict == "proved" and "value" in claim:
            value = str(claim["value"])
            return "?" if " if " in value else "T" if value == "oo" or int(value) >= 2 else "F"
        return "F" if verdict == "refuted" else "?"
    if verdict == "conditional":
        return str(claim["condition"])
    return {"proved": "T", "refuted": "F"}.get(verdict, "?")


NTH = {0: "the loss", 1: "the slope", 2: "the second derivative", 3: "the third derivative"}


def leaves(node: Any) -> Any:
    """The leaves of a certificate that refute, or reach a value."""
    if isinstance(node, dict):
        if "parts" in node:
            for part in node["parts"]:
                yield from leaves(part)
        else:
            yield node


def evidence(question: str, statement: dict[str, Any], certificate: dict[str, Any] | None) -> str:
    """The place that refutes, or that stops the next derivative, as the certificate names it."""
    if certificate is None:
        return ""
    x = statement["variable"]
    low, high = (end.strip() for end in statement["domain"][1:-1].split(","))
    for leaf in leaves(certificate["tree"]):
        at = leaf["at"]
        bounds = [low, *at, high]
        if question == "twice differentiable" and "reached" in leaf:
            return f"the second derivative jumps at {x} = {at[leaf['reached']]}"
        if question == "class-calibrated":
            if "least" in leaf:
                return f"the loss is least, {leaf['least']}, at {x} = 0, whatever the probability"
            if "evidence" in leaf:
                return "convex, but not differentiable with a negative slope at 0"
        if "evidence" not in leaf:
            continue
        if isinstance(leaf["evidence"], int):
            return f"the values at {x} = {at[leaf['evidence']]} and at its negative differ"
        kind, i, *side = leaf["evidence"]
        order = {"convex": 2, "strictly convex": 2, "strongly convex": 2, "Lipschitz": 1}.get(question, 0)
        if kind == "gap":
            return f"the loss jumps at {x} = {at[i]}"
        if kind == "jump":
            return f"the slope jumps at {x} = {at[i]}"
        where = f"{bounds[i]} < {x} < {bounds[i + 1]}"
        if kind == "cell":
            sign = "negative" if question == "convex" else "not positive"
            return f"{NTH[order]} is {sign} for all {where}"
        end = bounds[i] if side == ["low"] else bounds[i + 1]
        found = {"Lipschitz": "infinity", "strongly convex": "a limit that is not positive"}.get(question, "its limit")
        if question in ("convex", "strictly convex"):
            found = "a negative limit"
        return f"{NTH[order]} tends to {found} for {x} -> {end}"
    return ""


def why(question: str, statement: dict[str, Any], claim: dict[str, Any], certificate: Any) -> str:
    """One sentence: what our claim rests on."""
    witness = claim.get("witness")
    if isinstance(witness, dict) and {"at", "what"} <= witness.keys():
        return f"{witness['what']} ({statement['variable']} = {witness['at']})"
    found = evidence(question, statement, certificate)
    if found:
        return found
    value = claim.get("value")
    shown = {
        "convex": "no slope falls and the second derivative is nowhere negative",
        "strictly convex": "no slope falls and the second derivative is positive everywhere between the kinks",
        "strongly convex": f"the second derivative is at least {value}, and comes as near as one likes",
        "differentiable": f"of class C^{value}",
        "twice differentiable": f"of class C^{value}",
        "Lipschitz": f"the slope is at most {value} in size" if value else "the slope is bounded",
        "symmetric": "f(-r) = f(r) for all r > 0",
        "class-calibrated": "by lemma `calibrated`",
    }
    return shown[question]


def ours(row: Theirs, facts: Path) -> tuple[dict[str, Any], dict[str, tuple[dict[str, Any], Any]]]:
    """The statement about their loss, and our claim and certificate for each property asked."""
    from lossforge.derive import checker, prove

    document = json.loads((facts / f"{row.ours}.json").read_text(encoding="utf-8"))
    statement = checker.statement(document)
    names = {PROPERTY[q] for q in asked(row, statement["base"])}
    if row.formula:
        statement = {**statement, "formula": row.formula, "parameters": {}}
    claims: dict[str, tuple[dict[str, Any], Any]] = {}
    kept = facts / "certificates" / f"{row.ours}.json"
    stored = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() and not row.formula else {}
    current = stored.get("loss") == checker.digest(statement)
    for name in sorted(names):
        if current and name in stored.get("claims", {}):
            entry = stored["claims"][name]
            claims[name] = ({**document["properties"].get(name, {}), **entry["claim"]}, entry["certificate"])
        else:
            claims[name] = prove.Prover(statement, name).claim()
    return statement, claims


MARK = {"T": "yes", "F": "no", "t": "yes (default)", "f": "no (default)", "?": "undecided"}


def compared(row: Theirs, facts: Path) -> list[tuple[str, str, str, str]]:
    """For each question: what they say, what we say, what ours rests on or why it is undecided."""
    statement, claims = ours(row, facts)
    out = []
    for question, theirs in asked(row, statement["base"]).items():
        claim, certificate = claims[PROPERTY[question]]
        mine = said(question, claim)
        reason = claim.get("reason") or "the class C^k is not known beyond k = 1"
        out.append((question, theirs, mine, reason if mine == "?" else why(question, statement, claim, certificate)))
    return out


def differs(theirs: str, mine: str) -> bool:
    return mine != "?" and theirs.upper() != mine.upper()


def page(facts: Path) -> str:
    rows = [(row, compared(row, facts)) for row in TRAITS]
    flat = [(row, *found) for row, all_ in rows for found in all_]
    apart = [r for r in flat if differs(r[2], r[3])]
    typed = [r for r in apart if r[2] not in ("t", "f")]
    defaults = [r for r in apart if r not in typed]
    open_ = [r for r in flat if r[3] == "?"]

    def table(found: list[Any]) -> list[str]:
        lines = ["| theirs | ours | question | they say | proved | what the proof rests on |", "| --- " * 6 + "|"]
        for row, question, theirs, mine, reason in found:
            remark = f" ({row.remark})" if row.remark else ""
            lines.append(
                f"| `{row.name}` | `{row.ours}`{f' as `{row.formula}`' if row.formula else ''} | {question} "
                f"| {MARK.get(theirs, theirs)} | {MARK.get(mine, mine)} | {reason}{remark} |"
            )
        return lines

    def grid() -> list[str]:
        lines = ["| loss | " + " | ".join(QUESTIONS) + " |", "| --- " * (len(QUESTIONS) + 1) + "|"]
        for row, found in rows:
            cells = {q: (t, m) for q, t, m, _ in found}
            shown = []
            for q in QUESTIONS:
                if q not in cells:
                    shown.append("")
                    continue
                t, m = cells[q]
                text = MARK.get(m, m)
                shown.append(f"**{text}** (they: {MARK.get(t, t)})" if differs(t, m) else text)
            lines.append(f"| `{row.name}` | " + " | ".join(shown) + " |")
        return lines

    agree = len(flat) - len(apart) - len(open_)
    return "\n".join(
        [
            "# Properties typed by hand, and properties proved",
            "",
            "<!-- Written by docs/reference_table.py. Do not edit: python docs/reference_table.py -->",
            "",
            f"[LossFunctions.jl]({REPOSITORY}) answers questions such as `isconvex(loss)` from traits that its authors",
            f"wrote down by hand. Read at commit `{COMMIT[:12]}` ({PLACES}).",
            "",
            f"Of {len(flat)} answers about {len(rows)} losses that both libraries have, {agree} agree with what is",
            f"proved, {len(typed)} answers that they typed differ, {len(defaults)} answers that are only defaults",
            f"differ, and {len(open_)} are undecided here.",
            "",
            "## Answers that they typed and that are refuted",
            "",
            *table(typed),
            "",
            "## Answers that are only defaults",
            "",
            "A trait that is not defined for a loss falls back: strictly convex to strongly convex, and that to no;",
            "Lipschitz and symmetric to no; class-calibrated, of a margin loss, to the rule convex, differentiable at",
            "0 and with a negative slope there. So a missing trait is an answer for whoever asks, but nobody typed it.",
            "",
            *(table(defaults) if defaults else ["None differs."]),
            "",
            "## Undecided here",
            "",
            "| theirs | question | they say | why it is undecided |",
            "| --- | --- | --- | --- |",
            *(f"| `{row.name}` | {q} | {MARK.get(said, said)} | {reason} |" for row, q, said, _, reason in open_),
            "",
            "## All answers",
            "",
            "What is proved; in bold where they say something else.",
            "",
            *grid(),
            "",
            "## Where the definitions differ",
            "",
            "- Lipschitz is the same question: one constant for all predictions and targets; they have another trait,",
            "  not compared here, for bounded sets (`islocallylipschitzcont`).",
            "- Differentiable is asked pointwise there and as C^1 here; for these losses that is the same: where we",
            "  refute, the loss jumps, or its slope has two different one-sided limits, and then it is not",
            "  differentiable at that point. Twice differentiable is C^2 here, and is denied only where the second",
            "  derivative has two different one-sided limits.",
            "- The cross-entropy is asked on the open interval 0 < p < 1 (their answers about single points say no at",
            "  the ends, as ours would), for every target; the Poisson loss for every target.",
            "- The zero-one loss is 0 at margin 0 there and 1 here; the row above is about theirs. Whether it is",
            "  class-calibrated depends on whether a margin of 0 counts as an error (in Bartlett, Jordan and McAuliffe",
            "  it does): the answers are not comparable, and are not counted.",
            "- Strongly convex asks for some modulus m > 0 valid everywhere.",
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    folders = [a for a in arguments if a != "--check"]
    if len(folders) > 1 or any(a.startswith("-") for a in folders):
        print(f"docs/reference_table.py takes [FACTS] [--check], got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    made = page(Path(folders[0]) if folders else FACTS)
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print("docs/reference_table.md would be written differently: python docs/reference_table.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
