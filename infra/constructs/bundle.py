"""The zip of a function, made without Docker: its handler, the shared package, and its dependencies as wheels.

A zip that is ready spares the CDK CLI the packing of a folder. The wheels are most of it: they are packed once for all
functions with the same requirements, and a new zip begins as a copy of them.
"""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

ROOT = Path(__file__).parents[2]
LAMBDA_PYTHON = "3.14"
_CACHE = ROOT / ".local" / "bundles"
_ABANDONED_SECONDS = 3600
_COMPILED_FOR = f"cpython-{LAMBDA_PYTHON.replace('.', '')}"
_LEFT_OUT = (".*", "__pycache__", "*.pyc", "tests", "requirements.txt")
_UV = Path(sys.executable).with_name("uv")  # there where it could be installed: it is several times faster than pip
_UV_ARM64 = ["--python-platform", "aarch64-manylinux_2_28", "--python-version", LAMBDA_PYTHON, "--only-binary=:all:"]
_PIP_ARM64 = [
    "--platform",
    "manylinux2014_aarch64",
    "--platform",
    "manylinux_2_28_aarch64",
    "--implementation",
    "cp",
    "--python-version",
    LAMBDA_PYTHON,
    "--only-binary=:all:",
]


class BundleError(Exception):
    """Why there is no zip: in one line, which ends in the words of the installer or the compiler."""

    def __init__(self, what: str, output: str) -> None:
        lines = [line for line in output.splitlines() if not line.startswith("WARNING")]
        super().__init__(f"{what}: {' '.join(' '.join(lines).split())[-800:]}")


def function_code(stack: cdk.Stack, folder: str, wheels: str, lambdas: Path = ROOT / "lambdas") -> lambda_.Code:
    """Zip `lambdas/functions/<folder>`, with `handler.py` and `fitting_room/` at its root. Raises BundleError.

    boto3 is the runtime's own where the function does not require it.
    """
    bundle = Bundle(lambdas / "functions" / folder, lambdas, wheels)
    source = bundle.zip() if stack.bundling_required else bundle.function
    return lambda_.Code.from_asset(str(source), asset_hash=bundle.hash())


@dataclass(frozen=True)
class Bundle:
    """`wheels`: `arm64` for the Lambda runtime, `host` for the interpreter that runs this."""

    function: Path
    lambdas: Path
    wheels: str

    def hash(self) -> str:
        """Hash everything that ends up in the zip but its compiled files.

        The hash is the same on every machine that bundles for Lambda, with or without an interpreter for these files.
        """
        digest = hashlib.sha256(self._platform())
        locks = {lock.name: lock for lock in self._locks()}
        for name, file in (self._sources() | locks).items():
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()

    def zip(self) -> Path:
        """Return the zip, which is kept until something in it changes. Raises BundleError."""
        name = "-".join([*self.function.relative_to(self.lambdas / "functions").parts, self.wheels])
        zipped = _kept(f"{name}.{self.hash()[:16]}{self._form()}.zip", self._write)
        for older in set(_CACHE.glob(f"{name}.*.zip")) - {zipped}:
            older.unlink(missing_ok=True)
        return zipped

    def _write(self, zipped: Path) -> None:
        sys.stderr.write(f"Bundling {self.function.relative_to(self.lambdas / 'functions').as_posix()}\n")
        own = zipped.with_suffix("")
        for name, file in self._sources().items():
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, own / name)
        if complaint := self._compile(own):
            raise BundleError(f"{self.function} does not compile", complaint)
        shutil.copyfile(self._dependencies(), zipped)
        _pack(own, zipped)

    def _sources(self) -> dict[str, Path]:
        """Return the files of the function and of the shared package, by their names in the zip."""
        parts = ((self.function, self.function), (self.lambdas / "fitting_room", self.lambdas))
        return {
            file.relative_to(root).as_posix(): file
            for part, root in parts
            for file in _files(part)
            if not any(fnmatch.filter(file.relative_to(root).parts, pattern) for pattern in _LEFT_OUT)
        }

    def _locks(self) -> list[Path]:
        return [self.function / "requirements.txt", self.lambdas / "constraints.txt"]

    def _platform(self) -> bytes:
        """Return what else shapes the files: the platform that they are for, and the code of this module."""
        version = sys.implementation.cache_tag if self.wheels == "host" else _COMPILED_FOR
        return f"{self.wheels}-{version}".encode() + Path(__file__).read_bytes()

    def _form(self) -> str:
        return "" if compiler(self.wheels) else ".plain"

    def _compile(self, folder: Path) -> str:
        """Compile all files in a folder, if it can be done here, and return what the compiler complains of.

        The code folder of a function is read-only: without compiled files, each cold start compiles all of it again. They
        are not checked against the sources, whose times and sizes in a zip are not those that were compiled.
        """
        interpreter = compiler(self.wheels)
        if interpreter is None:
            return ""
        command = [interpreter, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        command += ["-s", str(folder), "-p", "/var/task", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def _dependencies(self) -> Path:
        """Return the zip of the installed wheels, shared by all functions with the same requirements."""
        digest = hashlib.sha256(b"\0".join([self._platform(), *(lock.read_bytes() for lock in self._locks())]))
        return _kept(f"wheels-{digest.hexdigest()[:16]}{self._form()}.zip", self._install)

    def _install(self, zipped: Path) -> None:
        installed = zipped.with_suffix("")
        requirements, constraints = self._locks()
        uv, pip = [str(_UV), "pip"], [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        command = [*(uv if _UV.exists() else pip), "install", "--quiet", "--no-compile", "--target", str(installed)]
        if self.wheels == "arm64":
            command += _UV_ARM64 if _UV.exists() else _PIP_ARM64
        command += ["-r", str(requirements), "-c", str(constraints)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BundleError(f"{requirements} could not be installed for {self.wheels}", done.stderr)
        installed.mkdir(exist_ok=True)  # nothing is required
        shutil.rmtree(installed / "bin", ignore_errors=True)
        (installed / ".lock").unlink(missing_ok=True)  # uv's
        self._compile(installed)  # a wheel may hold a file for another version: importing it would say so
        _pack(installed, zipped)


@cache
def compiler(wheels: str) -> str | None:
    """Find the interpreter that can compile for a bundle: only the version that will run the files can write them.

    For Lambda it need not be the one that runs this. Without any, the user is told once what to do.
    """
    if wheels == "host":
        return sys.executable
    for candidate in (sys.executable, shutil.which(f"python{LAMBDA_PYTHON}"), _uv_python()):
        if candidate and _said(candidate, "-c", "import sys; print(sys.implementation.cache_tag)") == _COMPILED_FOR:
            return candidate
    sys.stderr.write(
        f"No Python {LAMBDA_PYTHON} was found, so the functions are deployed without compiled files: each cold start takes"
        f" about 0.3 s longer. Install it, for example with `uv python install {LAMBDA_PYTHON}`. A function is deployed"
        " with compiled files at its next change.\n"
    )
    return None


def _uv_python() -> str | None:
    """Return an interpreter that uv manages; none is downloaded."""
    uv = str(_UV) if _UV.exists() else shutil.which("uv")
    return _said(uv, "python", "find", "--no-python-downloads", LAMBDA_PYTHON) if uv else None


def _said(*command: str) -> str:
    """Return the line that a program prints; nothing when it cannot be run or fails, as a shim without a version does."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """Return the file of this name in the cache, made at first. A file that is half done never stays there."""
    kept = _CACHE / name
    if not kept.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        for left in _CACHE.glob("unfinished-*"):  # by a synth that was killed
            with suppress(FileNotFoundError):  # another synth may be quicker
                if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix="unfinished-") as folder:
            make(made := Path(folder) / name)
            made.replace(kept)
    return kept


def _pack(folder: Path, zipped: Path) -> None:
    """Append the files in a folder. Level 1 packs twice as fast as the usual one, into a tenth more."""
    with zipfile.ZipFile(zipped, "a") as archive:
        for file in _files(folder):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            entry.external_attr = 0o100644 << 16  # Lambda runs as another user
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
