"""Are the certificates that are written down right, current, and enough for what the facts claim?"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from extent import some

import lossforge.codegen.build as build
from lossforge.cli.facts import FACTS
from lossforge.cli.main import lossforge
from lossforge.derive import certificates, checker
from lossforge.derive.certificates import dumps, loads, review, statement
from lossforge.derive.claiming import applicable
from lossforge.derive.derivation import derive
from lossforge.derive.properties import statement_of
from lossforge.derive.prove import Prover
from lossforge.derive.proving import prove_losses
from lossforge.derive.reading import Unproved
from lossforge.spec.algebra import combine
from lossforge.spec.catalog import CATALOG
from lossforge.spec.text import parse

Claimed = dict[str, certificates.Proved]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(lossforge, [str(argument) for argument in arguments])


def lemmas_of(name: str) -> list[Path]:
    """The certificates about the curvatures of a loss."""
    return sorted((FACTS / "certificates").glob(f"{name}.*.json"))


def facts(name: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    return known


def written(name: str) -> dict[str, Any]:
    made = loads((FACTS / "certificates" / f"{name}.json").read_text(encoding="utf-8"))
    assert made is not None
    return made


# What is committed -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", some(CATALOG, 6))
def test_every_claim_of_the_catalogue_is_shown(name: str) -> None:
    found = review(facts(name), written(name))
    assert found.problems == ()
    assert found.accepted == found.decided
    assert found.claims == len(facts(name)["properties"]) == len(applicable(statement(facts(name)) or {}))


def test_most_claims_of_the_catalogue_are_decided() -> None:
    verdicts = [c["verdict"] for name in CATALOG for c in facts(name)["properties"].values()]
    assert len(verdicts) > 1700
    assert verdicts.count("undecided") <= 0.03 * len(verdicts)


@pytest.mark.parametrize("name", ["huber", "barron", "binomial_probit", "aft_extreme_left"])
def test_a_certificate_is_followed_alike_alone_and_among_others(name: str) -> None:
    """Cells are kept between the claims about a loss; what is accepted does not depend on what was kept."""
    about = statement(facts(name))
    assert about is not None
    rows = [(c["claim"], c["certificate"]) for c in written(name)["claims"].values() if c["certificate"]]
    for claim, certificate in rows:
        checker.check(about, claim, certificate)
    for order in (rows, rows[::-1]):
        kept: dict[Any, Any] = {}
        for claim, certificate in order:
            checker.check(about, claim, certificate, kept)
        assert kept
        for claim, certificate in order:  # and what is wrong alone is wrong among others
            other = {"proved": "refuted", "refuted": "proved"}.get(claim["verdict"])
            if other:
                with pytest.raises(Unproved):
                    checker.check(about, {**claim, "verdict": other}, certificate, kept)


def test_there_are_certificates_of_every_loss_and_of_no_other() -> None:
    assert {path.stem for path in (FACTS / "certificates").glob("*.json") if "." not in path.stem} == set(CATALOG)


@pytest.mark.parametrize("name", some(CATALOG, 6))
def test_the_formula_and_the_facts_state_the_same(name: str) -> None:
    assert statement_of(derive(CATALOG[name])) == statement(facts(name))


def test_the_claims_about_several_predictions_are_about_all_of_them() -> None:
    both = derive(combine({"a": CATALOG["huber"], "b": CATALOG["logistic"]}))
    assert (statement_of(both) or {})["variables"] == {"f_a": "(-oo, oo)", "f_b": "(-oo, oo)"}
    assert list(both.properties) == ["convex", "strictly_convex", "convex_in_f_a", "convex_in_f_b", "nonnegative"]


def test_a_file_has_a_line_for_each_claim_and_certificate() -> None:
    text = (FACTS / "certificates" / "huber.json").read_text(encoding="utf-8")
    made = written("huber")
    assert dumps(made) == text
    lines = text.splitlines()
    assert sum(line.startswith('   "claim": ') for line in lines) == len(made["claims"])
    assert len(lines) == 7 + 4 * len(made["claims"])


@pytest.mark.parametrize("spoilt", ["", "{", "[]", "null", "7", '{"schema": 2}', '{"schema": 1, "claims": []}',
    '{"schema": 1, "loss": "", "prover": "", "claims": {"convex": {"claim": {}}}}', "[" * 100_000])  # fmt: skip
def test_what_is_no_document_is_none(spoilt: str) -> None:
    assert loads(spoilt) is None


# The checker stands alone ------------------------------------------------------------------------


def test_the_checker_needs_neither_sympy_nor_the_prover() -> None:
    code = (
        "import sys\nfrom lossforge.cli.main import main\n"
        "sys.argv[1:] = ['check', '--proofs', 'huber', 'brier', 'gaussian_nll', 'softmax_cross_entropy']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "others = {'sympy', 'numpy', *(f'lossforge.derive.{m}' for m in ('prove', 'search', 'roots'))}\n"
        "assert 'flint' in sys.modules\nassert not others & set(sys.modules), others & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    assert " claims, " in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["show", "huber"], ["show", "huber", "--json"]])
def test_what_only_reads_needs_no_flint(arguments: list[str]) -> None:
    code = (
        "import sys\nimport lossforge.runtime\nfrom lossforge.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nassert not {'flint', 'sympy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# check --proofs ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like generated/, with one loss."""
    (tmp_path / "facts" / "certificates").mkdir(parents=True)
    for path in ("huber.json", "certificates/huber.json", *(f"certificates/{p.name}" for p in lemmas_of("huber"))):
        (tmp_path / "facts" / path).write_bytes((FACTS / path).read_bytes())
    return tmp_path


def change(path: Path, edit: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_check_says_how_many_claims_are_shown(folder: Path) -> None:
    for place in ("huber", folder):
        done = call("check", "--proofs", place)
        assert done.exit_code == 0, done.output
        claims = len(facts("huber")["properties"]) + len(lemmas_of("huber"))
        assert f"{claims} claims, {claims} decided, {claims} accepted" in done.stdout


PROBLEMS: dict[str, tuple[str, Any, str]] = {
    "a verdict of the facts": (
        "huber.json",
        lambda d: d["properties"]["strictly_convex"].update(verdict="proved"),
        "the facts say otherwise",
    ),
    "a value of the facts": (
        "huber.json",
        lambda d: d["properties"]["lipschitz"].update(value="delta/2"),
        "the facts say otherwise",
    ),
    "a witness of the facts": (
        "huber.json",
        lambda d: d["properties"]["strictly_convex"]["witness"].update(at="r = 0"),
        "the facts say otherwise",
    ),
    "a claim of its own": (
        "huber.json",
        lambda d: d["properties"].update(calibrated={"verdict": "proved"}),
        "there is no certificate",
    ),
    "a formula of the facts": ("huber.json", lambda d: d["formula"].update(text="r**2"), "refused"),
    "no certificate": (
        "certificates/huber.json",
        lambda d: d["claims"]["convex"].update(certificate=None),
        "there is no certificate",
    ),
    "no claim": ("certificates/huber.json", lambda d: d["claims"].pop("convex"), "there is no certificate"),
    "another claim": (
        "certificates/huber.json",
        lambda d: d["claims"]["strictly_convex"]["claim"].update(verdict="proved"),
        "refused",
    ),
    "another tree": (
        "certificates/huber.json",
        lambda d: d["claims"]["convex"]["certificate"].update(tree={}),
        "refused",
    ),
    "no tree": ("certificates/huber.json", lambda d: d["claims"]["convex"]["certificate"].pop("tree"), "refused"),
    "a number for a certificate": (
        "certificates/huber.json",
        lambda d: d["claims"]["convex"].update(certificate=7),
        "certificate",
    ),
    "a lemma's verdict": (
        "certificates/huber.majorizer.concave.json",
        lambda d: d["claims"]["convex"]["claim"].update(verdict="refuted"),
        "the certificate",
    ),
    "a lemma about something else": (
        "certificates/huber.majorizer.concave.json",
        lambda d: d["about"].update(formula="-s"),
        "the digest is that of another statement",
    ),
    "no lemma": (
        "certificates/huber.majorizer.concave.json",
        lambda d: d.clear(),
        "not a document about one lemma",
    ),
    "a lemma that is not there": (
        "huber.json",
        lambda d: d["curvatures"]["majorizer"]["lemmas"].append("else"),
        "not a document about one lemma",
    ),
    "no document": ("certificates/huber.json", lambda d: d.clear(), "there is no certificate"),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_check_names_what_is_not_shown(kind: str, folder: Path) -> None:
    file, edit, said = PROBLEMS[kind]
    change(folder / "facts" / file, edit)
    done = call("check", "--proofs", folder, "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    (loss,) = document["losses"].values()
    assert not document["ok"] and not loss["ok"]
    assert document["accepted"] < document["decided"]
    assert any(said in problem["problem"] for problem in loss["problems"]), loss["problems"]
    assert "Error: 1 of 1 losses" in done.stderr


def test_check_of_nothing_written_is_wrong_input(tmp_path: Path) -> None:
    assert call("check", "--proofs", "hubr").exit_code == 2
    assert call("check", "--proofs", tmp_path).exit_code == 2
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "broken.json").write_text("{", encoding="utf-8")
    assert call("check", "--proofs", tmp_path).exit_code == 2


def test_the_json_document_counts(folder: Path) -> None:
    names = some(sorted(CATALOG), 8)
    which = ["--all"] if len(names) == len(CATALOG) else names
    document = json.loads(call("check", "--proofs", *which, "--json").stdout)
    assert document["schema"] == 1 and document["ok"]
    assert document["decided"] == document["accepted"] <= document["claims"]
    assert document["claims"] == sum(len(facts(name)["properties"]) + len(lemmas_of(name)) for name in names)
    assert set(document["losses"]) == set(names)


# build -------------------------------------------------------------------------------------------


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the losses, not of the lemmas, that `build` proves; nothing is proved in earnest."""
    names: list[str] = []

    def pretend(
        statements: Mapping[str, Any], jobs: Any, tell: Any, asked: Mapping[str, Any]
    ) -> Iterator[tuple[str, Claimed]]:
        for name in statements:
            names.extend([] if "." in name else [name])
            of = asked.get(name, ["convex"])[0]
            yield name, {of: ({"property": of, "verdict": "undecided", "reason": "not tried"}, None)}

    monkeypatch.setattr(build, "prove_losses", pretend)
    return names


def test_what_is_unchanged_is_not_proved_again(
    tmp_path: Path, proved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proved anew for another formula and for another prover, and for nothing else."""
    assert call("build", "3*r**2", "--out", tmp_path).exit_code == 0
    assert proved == ["custom"]
    assert call("build", "3*r**2", "--out", tmp_path).exit_code == 0
    assert call("build", "3*r**2", "--out", tmp_path, "--check").exit_code == 0
    assert proved == ["custom"]
    assert call("build", "4*r**2", "--out", tmp_path).exit_code == 0
    assert proved == ["custom"] * 2
    monkeypatch.setattr(certificates, "prover_digest", lambda about: "another")
    assert call("build", "4*r**2", "--out", tmp_path).exit_code == 0
    assert proved == ["custom"] * 3


def test_stale_certificates_are_changed_files(
    tmp_path: Path, proved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("build", "3*r**2", "--out", tmp_path).exit_code == 0
    monkeypatch.setattr(certificates, "prover_digest", lambda about: "another")
    done = call("build", "3*r**2", "--out", tmp_path, "--check")
    assert done.exit_code == 1
    changed = [f"custom{lemma}.json" for lemma in ("", ".majorizer.concave", ".majorizer.values")]
    assert sorted(done.stdout.splitlines()) == [f"changed  facts/certificates/{name}" for name in sorted(changed)]
    assert "mend them with: lossforge build '3*r**2' --out" in done.stderr
    monkeypatch.undo()
    (tmp_path / "facts" / "certificates" / "custom.json").unlink()
    done = call("build", "3*r**2", "--out", tmp_path, "--check")
    assert done.exit_code == 1
    assert "missing  facts/certificates/custom.json\n" in done.stdout
    assert proved == ["custom"]


def test_another_layout_of_the_same_certificates_is_a_changed_file(tmp_path: Path, proved: list[str]) -> None:
    assert call("build", "3*r**2", "--out", tmp_path).exit_code == 0
    change(tmp_path / "facts" / "certificates" / "custom.json", lambda document: None)
    done = call("build", "3*r**2", "--out", tmp_path, "--check")
    assert (done.exit_code, done.stdout) == (1, "changed  facts/certificates/custom.json\n")


def test_an_interrupt_leaves_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proved is kept, and nothing else is touched."""
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "huber.json").write_text("old", encoding="utf-8")

    def interrupted(statements: Mapping[str, Any], *_: Any) -> Iterator[tuple[str, Claimed]]:
        yield next(iter(statements)), {}
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "prove_losses", interrupted)
    losses = [parse("2*r**2", name="first"), parse("3*r**2", name="second")]
    with pytest.raises(KeyboardInterrupt):
        build.prove(build.ledger(losses, tmp_path), tmp_path)
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"facts/huber.json", "facts/certificates/first.json"}
    assert (tmp_path / "facts" / "huber.json").read_text() == "old"
    assert list(build.ledger(losses, tmp_path).stale) == ["second"]


# Proving -----------------------------------------------------------------------------------------


def test_processes_prove_what_one_process_proves() -> None:
    statements = {name: statement(facts(name)) or {} for name in ("absolute_error", "hinge")}
    told: list[tuple[int, int]] = []
    several = dict(prove_losses(statements, jobs=2, tell=lambda done, total: told.append((done, total))))
    assert several == dict(prove_losses(statements, jobs=1))
    total = sum(len(applicable(about)) for about in statements.values())
    assert told == [(done, total) for done in range(total + 1)]
    assert [list(claims) for claims in several.values()] == [applicable(statements[name]) for name in several]


def test_an_end_on_the_way_ends_the_processes() -> None:
    before = set(multiprocessing.active_children())
    statements = {name: statement(facts(name)) or {} for name in ("absolute_error", "focal")}
    work = prove_losses(statements, jobs=2)
    assert next(work)[0] == "absolute_error"
    work.close()  # type: ignore[attr-defined]
    assert set(multiprocessing.active_children()) <= before


def test_a_property_is_proved_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    claim = Prover.claim
    monkeypatch.setattr(Prover, "claim", lambda self: (asked.append(self.name), claim(self))[1])
    properties = derive(parse("5*abs(r)")).properties
    assert list(properties) == applicable(statement_of(derive(parse("5*abs(r)"))) or {})
    assert asked == []
    assert properties["lipschitz"].value == "5"
    assert properties["lipschitz"].certificate is not None
    assert dict(properties["differentiable"].witness) == {"at": "r = 0", "what": "the slope jumps"}
    assert asked == ["lipschitz", "differentiable"]
    with pytest.raises(KeyError):
        properties["round"]


def test_derive_shows_what_is_proved() -> None:
    shown = call("derive", "max(r, -2*r)").stdout
    assert "\n  lipschitz          proved = 2\n" in shown
    assert "\n  strictly convex    refuted: the second derivative is not positive where r < 0\n" in shown
    assert "\nproperties\n" not in call("derive", "max(r, -2*r)", "--no-proofs").stdout
    document = json.loads(call("derive", "max(r, -2*r)", "--json").stdout)
    assert document["properties"]["lipschitz"] == {"verdict": "proved", "value": "2"}


WITNESSES = {
    ("zero_one", "convex"): {"at": "m = 0", "what": "the value jumps"},
    ("hinge", "differentiable"): {"at": "m = 1", "what": "the slope jumps"},
    ("huber", "strictly_convex"): {"at": "r < -delta", "what": "the second derivative is not positive"},
    ("squared_error", "lipschitz"): {"at": "r -> -oo", "what": "the slope is unbounded"},
    ("huber", "bounded"): {"at": "r -> -oo", "what": "the value tends to oo"},
    ("log_cosh", "redescending"): {"at": "r -> -oo", "what": "the slope does not tend to 0"},
    ("perceptron", "calibrated"): {"at": "m = 0", "what": "the slope is not one negative number"},
    ("perceptron", "upper_bounds_zero_one"): {
        "at": "m -> 0 from below", "what": "the value tends to a limit that is below 1",
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "claim"), WITNESSES, ids="-".join)
def test_a_witness_says_where_and_why(name: str, claim: str) -> None:
    assert facts(name)["properties"][claim]["witness"] == WITNESSES[name, claim]


def test_every_refutation_of_the_catalogue_has_a_witness() -> None:
    for name in CATALOG:
        for claim, said in facts(name)["properties"].items():
            assert (said["verdict"] == "refuted") == ("witness" in said), (name, claim)


@pytest.mark.parametrize(
    ("formula", "claim", "at", "what"),
    [
        ("log(1 + r**2)", "convex", "r = 2", "the second derivative is negative"),
        ("log(1 + r**2) + r/3", "symmetric", "r = 1", "the value is another one than at r = -(1)"),
        ("min(r**2, 1)", "convex", "r = -1", "the slope falls"),
        ("r**2*exp(-r**2)", "quasiconvex", None, "the value rises, and falls later"),
    ],
)
def test_a_witness_of_a_formula(formula: str, claim: str, at: str | None, what: str) -> None:
    found = derive(parse(formula)).properties[claim]
    assert found.verdict == "refuted"
    witness = dict(found.witness)
    assert witness["what"] == what
    assert at is None or witness["at"] == at


def test_comments_do_not_make_certificates_stale() -> None:
    one = '''"""What is it?"""

import ast  # for trees


def f(x: int) -> str:
    """Half of it,
    as a text."""
    return "# no comment"  # a comment
'''
    other = one.replace("What is it?", "Who?").replace(",\n    as", " as").replace("  # a comment", "")
    assert certificates._code(one) == certificates._code(other)
    for said, instead in (("# no", "# a"), ("import ast", "import io"), ("int", "float")):
        assert certificates._code(one) != certificates._code(one.replace(said, instead))
