"""The asset of a function, made without Docker: its handler, the shared package, and its dependencies as wheels."""

from __future__ import annotations

import compileall
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

ROOT = Path(__file__).parents[2]
LAMBDA_PYTHON = "3.14"
_CACHE = ROOT / ".local" / "bundles"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "requirements.txt")
_ARM64 = [
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


def function_code(folder: str, wheels: str, lambdas: Path = ROOT / "lambdas") -> lambda_.Code:
    """`lambdas/functions/<folder>` as a zip: `handler.py` and `fitting_room/` at its root. boto3 is the runtime's own."""
    bundle = Bundle(lambdas / "functions" / folder, lambdas, wheels)
    local = cast(cdk.ILocalBundling, _Local(bundle))
    return lambda_.Code.from_asset(
        str(bundle.function),
        asset_hash_type=cdk.AssetHashType.CUSTOM,
        asset_hash=bundle.hash(),
        bundling=cdk.BundlingOptions(image=cdk.DockerImage.from_registry("never-pulled"), local=local),
    )


@dataclass(frozen=True)
class Bundle:
    """`wheels`: `arm64` for the Lambda runtime, `host` for the interpreter that runs this."""

    function: Path
    lambdas: Path
    wheels: str

    def hash(self) -> str:
        """Of everything that ends up in the zip."""
        digest = hashlib.sha256(self._platform())
        for file in [*self._sources(), *self._locks()]:
            digest.update(file.relative_to(self.lambdas).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()

    def write(self, output: Path) -> None:
        shutil.copytree(self._dependencies(), output, dirs_exist_ok=True, copy_function=_link)
        shutil.copytree(self.function, output, dirs_exist_ok=True, ignore=_LEFT_OUT)
        shutil.copytree(self.lambdas / "fitting_room", output / "fitting_room", ignore=_LEFT_OUT)
        if self._compiles():
            for part in (output / "handler.py", output / "fitting_room"):
                _compile(part, output)

    def _sources(self) -> list[Path]:
        found = [*self.function.rglob("*"), *(self.lambdas / "fitting_room").rglob("*")]
        return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")

    def _locks(self) -> list[Path]:
        return [self.function / "requirements.txt", self.lambdas / "constraints.txt"]

    def _platform(self) -> bytes:
        """What else shapes the files: who compiles them, and how this module goes about it."""
        return f"{self.wheels}-{LAMBDA_PYTHON}-{sys.implementation.cache_tag}".encode() + Path(__file__).read_bytes()

    def _compiles(self) -> bool:
        """The code folder of a function is read-only: without compiled files, each cold start compiles everything anew.
        Only the version that will run them can write them."""
        return self.wheels == "host" or "{}.{}".format(*sys.version_info) == LAMBDA_PYTHON

    def _dependencies(self) -> Path:
        """The installed wheels, shared by all functions with the same requirements and kept between synths."""
        digest = hashlib.sha256(b"\0".join([self._platform(), *(lock.read_bytes() for lock in self._locks())]))
        folder = _CACHE / digest.hexdigest()[:16]
        if not folder.exists():
            _CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=_CACHE) as unfinished:
                self._install(installed := Path(unfinished) / "installed")
                with contextlib.suppress(OSError):  # another synth was faster, with the same
                    installed.rename(folder)
        return folder

    def _install(self, target: Path) -> None:
        requirements, constraints = self._locks()
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--target",
            str(target),
            "-r",
            str(requirements),
            "-c",
            str(constraints),
        ]
        done = subprocess.run(
            command + (_ARM64 if self.wheels == "arm64" else []), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pip could not install {requirements} for {self.wheels}:\n{done.stderr}")
        shutil.rmtree(target / "bin", ignore_errors=True)
        if self._compiles():
            _compile(target, target)


def _compile(part: Path, root: Path) -> None:
    """Unchecked, because the times and sizes in a zip are not those of the compiled sources."""
    options: dict[str, Any] = {
        "quiet": 2,
        "stripdir": str(root),
        "prependdir": "/var/task",
        "invalidation_mode": PycInvalidationMode.UNCHECKED_HASH,
    }
    if part.is_dir():
        compileall.compile_dir(part, workers=0, **options)
    else:
        compileall.compile_file(part, **options)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@jsii.implements(cdk.ILocalBundling)
class _Local:
    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def try_bundle(self, output_dir: str, _options: Any) -> bool:  # jsii calls it by position, whatever the stub says
        self._bundle.write(Path(output_dir))
        return True
