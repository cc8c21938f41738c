#!/usr/bin/env python3
"""How is a fresh checkout put to work, with nothing but Python, pip and a C compiler?

    python3 dev.py demo            the example of examples/demo.py
    python3 dev.py test            every check, and every test, of what is alike on a sample
    python3 dev.py test --all      the same on everything, as in CI
    python3 dev.py test -k huber   only pytest, with these options
    python3 dev.py lint [--fix]    ruff and mypy
    python3 dev.py build           write generated/ anew
    python3 dev.py wheel           a wheel with compiled code for this platform, in dist/
    python3 dev.py bench           the kernels' times beside those of other libraries
    python3 dev.py lossforge ...   the command line

The first call makes .venv, which takes a minute; later calls use it as it is.
With --peers, or in CI, `test` also installs the libraries that results are
compared with.
"""

# Standard library only, and no syntax newer than Python 3.6: an old Python must
# get as far as the message that it is too old.

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

OLDEST = (3, 11)
BASE = getattr(
    sys, "_base_executable", sys.executable
)  # of this Python, or of the one that its environment is made from
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "made-by-dev.json")
UNFINISHED = {"state": "unfinished"}


class Lacking(Exception):
    """The machine has not what is needed; the message says what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment():
    """The environment variables for child processes: none that mixes in another Python's packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def run(command, quiet=False):
    """Run a command in the repository; its exit status. When quiet, its output is shown only if it fails."""
    if not quiet:
        return subprocess.run(command, cwd=ROOT, env=environment()).returncode
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode


def succeeds(command):
    try:
        return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True).returncode == 0
    except OSError:
        return False


# The environment ---------------------------------------------------------------------------------


def fingerprint():
    """What an environment depends on: the project's declarations, the interpreter, the folder."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        declared = hashlib.sha256(file.read()).hexdigest()
    return [declared, sys.version, os.path.realpath(BASE), ROOT]


def stamp():
    """What stands in the stamp: {} when there is none, UNFINISHED when it cannot be read."""
    if not os.path.exists(STAMP):
        return {}
    try:
        with open(STAMP) as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return UNFINISHED


def write_stamp(content):
    draft = STAMP + ".new"
    with open(draft, "w") as file:
        json.dump(content, file)
    os.replace(draft, STAMP)


def pip_command():
    """The pip that installs into .venv: that of this Python, or the one in .venv."""
    if succeeds([BASE, "-m", "pip", "--python", PYTHON, "--version"]):
        return [BASE, "-m", "pip", "--python", PYTHON]
    if succeeds([PYTHON, "-m", "pip", "--version"]):
        return [PYTHON, "-m", "pip"]
    if succeeds([PYTHON, "-m", "ensurepip"]):
        return [PYTHON, "-m", "pip"]
    if succeeds([BASE, "-m", "pip", "--version"]):
        raise Lacking("dev.py needs pip 22.3 or newer: {} -m pip install --upgrade pip".format(BASE))
    raise Lacking(
        "dev.py needs pip, and {} has none: apt install python3-pip (Debian), "
        "dnf install python3-pip (Fedora), or https://pip.pypa.io/en/stable/installation".format(BASE)
    )


def make_venv():
    """An empty environment in .venv. Without ensurepip, and without the venv module, too."""
    if succeeds([BASE, "-m", "venv", "--without-pip", "--clear", VENV]):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    tool = os.path.join(ROOT, "build", "virtualenv")
    if run([BASE, "-m", "pip", "install", "--quiet", "--target", tool, "--upgrade", "virtualenv"], quiet=True):
        raise Lacking(
            "this Python has no venv module, and pip cannot fetch virtualenv: "
            "apt install python3-venv (Debian), or check the network"
        )
    code = "import sys; sys.path.insert(0, {!r}); from virtualenv.run import cli_run; cli_run([{!r}, '--no-seed'])"
    if run([BASE, "-c", code.format(tool, VENV)], quiet=True):
        raise Lacking("neither venv nor virtualenv makes an environment; what they said stands above")


@contextlib.contextmanager
def alone():
    """Hold the repository's folder locked, so that two calls do not install at once."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another dev.py to finish its installation")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def ready(extras):
    """Make .venv hold the project and these extras. A second call has nothing to do."""
    with alone():
        wanted, have = fingerprint(), stamp()
        usable = have != UNFINISHED and succeeds([PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"])
        if usable and have.get("fingerprint") == wanted and set(extras) <= set(have["extras"]):
            return
        began = time.time()
        if not usable or have.get("fingerprint", wanted)[1:] != wanted[1:]:
            say("making .venv with Python {}.{}.{}".format(*sys.version_info[:3]))
            make_venv()
        pip = pip_command()
        extras = sorted(set(extras) | set(have.get("extras", ())))
        what = ".[{}]".format(",".join(extras)) if extras else "."
        say("installing " + what)
        write_stamp(UNFINISHED)
        if run(pip + ["install", "--quiet", "--disable-pip-version-check", "--editable", what], quiet=True):
            raise Lacking("pip could not install {}: what it said stands above; mend it and call again".format(what))
        write_stamp({"fingerprint": wanted, "extras": extras})
        say("ready after {:.0f} s".format(time.time() - began))


# The commands ------------------------------------------------------------------------------------

MODULE = [PYTHON, "-m"]
LOSSFORGE = [PYTHON, "-m", "lossforge.cli"]
PYTEST = MODULE + ["pytest"]
STYLE = [
    ("ruff check", MODULE + ["ruff", "check", "--quiet"]),
    ("ruff format", MODULE + ["ruff", "format", "--check", "--quiet"]),
    ("mypy", MODULE + ["mypy", "--no-error-summary"]),
]
ALL = STYLE + [("tests", PYTEST + ["-n", "auto", "-q"])]


def checks(table):
    """Run every check, whether or not one before it failed, and close with a line for each."""
    results = []
    for name, command in table:
        say("\n-- " + name)
        began = time.time()
        status = run(command)
        results.append((name, status, time.time() - began))
    say("")
    for name, status, seconds in results:
        say("{:<12} {:<7} {:6.1f} s".format(name, "ok" if status == 0 else "FAILED", seconds))
    return int(any(status for _, status, _ in results))


def demo(arguments):
    ready([])
    return run([PYTHON, os.path.join("examples", "demo.py")] + arguments)


def test(arguments):
    peers = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if "--peers" in arguments:
        arguments, peers = [a for a in arguments if a != "--peers"], True
    if "--all" in arguments:
        arguments, os.environ["LOSSFORGE_TESTS"] = [a for a in arguments if a != "--all"], "all"
    ready(["dev", "libraries"] if peers else ["dev"])
    return run(PYTEST + arguments) if arguments else checks(ALL)


def lint(arguments):
    if arguments not in ([], ["--fix"]):
        raise Lacking("dev.py lint takes no options but --fix, got: " + " ".join(arguments))
    ready(["dev"])
    if arguments:
        run(MODULE + ["ruff", "check", "--fix", "--quiet"])
        run(MODULE + ["ruff", "format", "--quiet"])
    return checks(STYLE)


def build(arguments):
    ready([])
    return run(LOSSFORGE + ["build"] + arguments)


def wheel(arguments):
    ready([])
    pure = os.path.join(ROOT, "build", "wheel")
    for stale in (pure, os.path.join(ROOT, "build", "lib")):  # setuptools packs whatever lies in build/lib
        shutil.rmtree(stale, ignore_errors=True)
    if run(pip_command() + ["wheel", "--no-deps", "--wheel-dir", pure, "."], quiet=True):
        raise Lacking("pip could not make a wheel: what it said stands above")
    (name,) = os.listdir(pure)
    carry = MODULE + ["lossforge.runtime.carry", os.path.join(pure, name), os.path.join(ROOT, "dist")]
    return run(carry + arguments)


def bench(arguments):
    ready(["bench"])
    return run([PYTHON, os.path.join("benchmarks", "kernels.py")] + arguments)


def lossforge(arguments):
    ready([])
    return run(LOSSFORGE + arguments)


COMMANDS = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "build": build,
    "wheel": wheel,
    "bench": bench,
    "lossforge": lossforge,
}


def main(arguments):
    if sys.version_info < OLDEST:
        say(
            "dev.py needs Python {}.{} or newer; this is {}, version {}.{}.".format(
                OLDEST[0], OLDEST[1], sys.executable, *sys.version_info[:2]
            )
        )
        say("Call it with a newer one, such as: python3.12 dev.py " + " ".join(arguments))
        return 3
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if arguments[0] not in COMMANDS:
        say("dev.py knows {}; it was asked for {!r}".format(", ".join(COMMANDS), arguments[0]))
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except Lacking as lack:
        say(str(lack))
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
