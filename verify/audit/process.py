"""How does foreign code run without harming us? In a child process, with limits on time and memory.

A live function is run after a fork; what is named by a place (a module, a file, a library) by an interpreter of its
own, which may be that of another environment. A child that dies, hangs or eats memory is replaced; its death is an
answer.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...runtime.errors import EnvironmentLacking
from . import child
from .child import Message


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one call, seconds to load the target, bytes of memory beyond those of the start."""

    seconds: float = 10.0
    loading: float = 60.0
    memory: int = 4 << 30


class ChildDied(Exception):
    """The foreign code ended its process, or was ended for taking too long."""


@dataclass(slots=True)
class Child:
    """One target in a process of its own; `ask` answers, or raises ChildDied, after which the next `ask` starts anew.

    `target` is a message for `child.load`, or a live function. `about` says what was seen of the target. Use it in a
    `with` statement. EnvironmentLacking: there is no interpreter at `python`, or no fork on this platform.
    """

    target: Message | Callable[..., Any]
    limits: Limits = field(default_factory=Limits)
    python: str = sys.executable
    about: Message = field(default_factory=dict)
    _pid: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _to: int = -1
    _from: int = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:  # fmt: skip
        self._end()

    def start(self) -> Message:
        """Load the target; what is known of it, or {"error": …}."""
        if not self._pid:
            if isinstance(self.target, dict):
                self._spawn()
            else:
                self._fork()
            self._send(self.target if isinstance(self.target, dict) else {})
            self.about = self._receive(self.limits.loading, "loading it")
            if "error" in self.about:
                self._end()
        return self.about

    def ask(self, request: Message, seconds: float | None = None) -> Message:
        self.start()
        self._send(request)
        return self._receive(self.limits.seconds if seconds is None else seconds, "a call")

    def _spawn(self) -> None:
        command = [self.python, str(Path(child.__file__).resolve()), str(self.limits.memory)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=subprocess.DEVNULL)  # fmt: skip
        except OSError as error:
            raise EnvironmentLacking(f"the interpreter {self.python} does not start: {error.strerror}") from None
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pid = self._process.pid
        self._to, self._from = os.dup(self._process.stdin.fileno()), os.dup(self._process.stdout.fileno())
        self._process.stdin.close()
        self._process.stdout.close()

    def _fork(self) -> None:
        if not hasattr(os, "fork"):
            raise EnvironmentLacking("a live function is audited in a fork, which this platform has not; "
                                     'name it instead, as "file.py:function"')  # fmt: skip
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns where this process has threads, and so does JAX once it is imported. What the child may
            # then wait for in vain, the limit on its time ends.
            for category in (DeprecationWarning, RuntimeWarning):
                warnings.simplefilter("ignore", category)
            self._pid = os.fork()
        if self._pid == 0:
            status = 70
            try:
                os.close(self._to)
                os.close(self._from)
                nothing = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(nothing, stream)
                source, sink = os.fdopen(theirs_in, "rb"), os.fdopen(theirs_out, "wb")
                child.serve(lambda _: self.target, source, sink, self.limits.memory)
                status = 0
            finally:
                os._exit(status)
        os.close(theirs_in)
        os.close(theirs_out)

    def _send(self, message: Message) -> None:
        data = (json.dumps(message) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            raise ChildDied(self._end()) from None

    def _receive(self, seconds: float, doing: str) -> Message:
        deadline = time.monotonic() + seconds
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            while not (parts and parts[-1].endswith(b"\n")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._end()
                    raise ChildDied(f"it was ended: {doing} took more than {seconds:g} s")
                part = os.read(self._from, 1 << 20)
                if not part:
                    raise ChildDied(self._end())
                parts.append(part)
        try:
            message = json.loads(b"".join(parts))
        except ValueError:
            self._end()
            raise ChildDied("it wrote into the pipe that its answers take") from None
        return message if isinstance(message, dict) else {}

    def _end(self) -> str:
        """End the child; how it ended by itself, in words."""
        if not self._pid:
            return "it had ended"
        pid, self._pid = self._pid, 0
        os.close(self._to)
        os.close(self._from)
        status = _waited(pid, self._process)
        self._process = None
        if status is None:
            return "it was ended"
        if status < 0:
            names = {s.value: s.name for s in signal.Signals}
            return f"it crashed with {names.get(-status, f'signal {-status}')}"
        return f"it ended its process with status {status}"


def _waited(pid: int, process: subprocess.Popen[bytes] | None) -> int | None:
    """The exit status of a child that ends within half a second (minus the signal that ended it); else it is killed."""
    if process is not None:
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None
