# SPDX-License-Identifier: Apache-2.0
"""`GtpClient`: an outside engine behind the Go Text Protocol, version 2, which may be broken in any way.

Whatever the engine does (hangs, dies, talks nonsense, floods, ignores signals, starts children), a command
ends within its time with a reply or a `PlayerError`, and after an error nothing of its process group is left.
This module knows pipes and processes, not Go: positions become commands in `minigo.players`.
"""

import contextlib
import logging
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
import weakref
from typing import Final, Self

MAX_REPLY: Final = 1 << 20  # bytes; an engine that says more without ending its reply floods
MAX_STDERR: Final = 2000  # characters of the engine's last words that an error quotes
_CHUNK: Final = 1 << 16
_STOP_SECONDS: Final = 0.5  # how long a wait goes on before it looks whether it shall stop
_QUIT_SECONDS: Final = 1.0  # an engine told to quit has this long before it is killed
_REAP_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class PlayerError(Exception):
    """A player can not go on with its game. The message says which player and why."""


class GtpCommandError(PlayerError):
    """The engine refused a command with `?`; it is still running."""


class GtpClient:
    """One running engine. Use it from one thread at a time, and close it.

    Args:
        command: the engine's command line, split as a shell would but run without one, in our environment.
        seconds: how long a command may take where the call does not say.
        stop: once set, whoever waits for a reply gets a PlayerError within half a second.

    Raises:
        PlayerError: the command line can not be run.
    """

    def __init__(self, command: str, *, seconds: float = 60.0, stop: threading.Event | None = None) -> None:
        self.command = command
        self._stop = stop
        self._seconds = seconds
        self._number = 0
        self._received = bytearray()
        self._stderr = bytearray()
        self._process = _start(command)
        self._stdin, self._stdout, self._stderr_fd = _nonblocking_pipes(self._process)
        # Also runs when the client is forgotten and when the interpreter exits.
        self._end = weakref.finalize(self, _end_group, self._process)

    @property
    def is_alive(self) -> bool:
        """Whether commands can still be sent."""
        return self._end.alive

    def send(self, command: str, *, seconds: float | None = None) -> str:
        """Sends one command and waits for its reply, which is returned without status and surrounding space.

        Raises:
            GtpCommandError: the engine refused the command.
            PlayerError: the engine was not running, did not reply within `seconds`, died, or talked nonsense.
                It has been killed.
        """
        if not self.is_alive:
            raise PlayerError(f"{self.command}: not running")
        if "\n" in command:
            raise ValueError(f"a command must be one line, got {command!r}")
        seconds = self._seconds if seconds is None else seconds
        self._number += 1
        try:
            reply = self._exchange(command, time.monotonic() + seconds)
            return self._text_of(reply, command)
        except TimeoutError:
            raise self._failure(f"no reply to {command!r} within {seconds:g} s") from None
        except GtpCommandError:
            raise
        except BaseException:  # the conversation is out of step, whatever happened
            self._end()
            raise

    def close(self) -> None:
        """Tells the engine to quit and kills what is left of its process group. May be called again."""
        if not self.is_alive:
            return
        with contextlib.suppress(OSError):
            os.write(self._stdin, f"{self._number + 1} quit\n".encode())
        _exit_of(self._process, _QUIT_SECONDS)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, command: str, deadline: float) -> str:
        """Writes the command and reads until a reply is whole, never blocking past the deadline."""
        unsent = f"{self._number} {command}\n".encode()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr_fd, selectors.EVENT_READ)
            while (reply := self._whole_reply()) is None:
                ready = selector.select(max(0.0, min(_STOP_SECONDS, deadline - time.monotonic())))
                if self._stop is not None and self._stop.is_set():
                    raise self._failure("stopped")
                if time.monotonic() >= deadline:
                    raise TimeoutError
                for fd in [key.fd for key, _ in ready]:
                    if fd == self._stdin:
                        unsent = self._write(unsent)
                        still_open = bool(unsent)
                    else:
                        still_open = self._read(fd)
                    if not still_open:
                        selector.unregister(fd)
        return reply

    def _write(self, data: bytes) -> bytes:
        try:
            return data[os.write(self._stdin, data) :]
        except BlockingIOError:
            return data
        except OSError:
            raise self._death() from None

    def _read(self, fd: int) -> bool:
        """Reads what is there; False at the end of stderr. The end of stdout is the engine's death."""
        data = os.read(fd, _CHUNK)
        if fd == self._stderr_fd:
            self._stderr = (self._stderr + data)[-MAX_STDERR:]
        elif not data:
            raise self._death()
        self._received += data.replace(b"\r", b"") if fd == self._stdout else b""
        return bool(data)

    def _whole_reply(self) -> str | None:
        """Takes the next reply out of what was received, or None while it is not all there."""
        if len(self._received) > MAX_REPLY:
            raise self._failure(f"more than {MAX_REPLY} bytes without an end: {_quoted(self._received)}")
        del self._received[: len(self._received) - len(self._received.lstrip(b"\n"))]
        if self._received and self._received[0] not in b"=?":
            raise self._failure(f"a reply must begin with = or ?, got {_quoted(self._received)}")
        reply, end, rest = bytes(self._received).partition(b"\n\n")
        if not end:
            return None
        self._received = bytearray(rest)
        return reply.decode(errors="replace")

    def _text_of(self, reply: str, command: str) -> str:
        status, _, _ = reply.partition("\n")
        head = status.split(maxsplit=1)[0]
        if head[1:] != str(self._number):
            raise self._failure(f"the reply to command {self._number}, {command!r}, is {_quoted(reply.encode())}")
        text = reply[len(head) :].strip()
        if head[0] == "?":
            raise GtpCommandError(f"{self.command}: refused {command!r}: {text}")
        return text

    def _death(self) -> PlayerError:
        return self._failure(_exit_of(self._process, _QUIT_SECONDS) or "closed its pipe")

    def _failure(self, reason: str) -> PlayerError:
        """Kills the engine and returns the error to raise, with its last words."""
        if self.is_alive:
            with contextlib.suppress(OSError):
                self._read(self._stderr_fd)
        self._end()
        words = self._stderr.decode(errors="replace").strip()
        return PlayerError(f"{self.command}: {reason}" + (f"; stderr ends with {words!r}" if words else ""))


def _start(command: str) -> "subprocess.Popen[bytes]":
    try:
        arguments = shlex.split(command)
        if not arguments:
            raise ValueError("it is empty")
        pipe = subprocess.PIPE
        return subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True)
    except (OSError, ValueError) as error:
        raise PlayerError(f"can not run the command line {command!r}: {error}") from None


def _nonblocking_pipes(process: "subprocess.Popen[bytes]") -> tuple[int, int, int]:
    streams = (process.stdin, process.stdout, process.stderr)
    stdin, stdout, stderr = (stream.fileno() for stream in streams if stream is not None)
    for fd in (stdin, stdout, stderr):
        os.set_blocking(fd, False)
    return stdin, stdout, stderr


def _exit_of(process: "subprocess.Popen[bytes]", seconds: float) -> str | None:
    """Waits for the engine to exit and says how it did, or None if it runs on.

    It is not reaped: while it is a zombie, the number of its process group can not be used again.
    """
    deadline = time.monotonic() + seconds
    while (result := os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.005)
    by_itself = result.si_code == os.CLD_EXITED
    return f"exited with status {result.si_status}" if by_itself else f"was killed by signal {result.si_status}"


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kills the engine and all it started, reaps it, and closes the pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_REAP_SECONDS)
    except subprocess.TimeoutExpired:
        _log.warning("process %d did not die within %g s of SIGKILL", process.pid, _REAP_SECONDS)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _quoted(data: bytes | bytearray) -> str:
    return repr(data[:200].decode(errors="replace"))
