"""Installs pinned packages into an environment of this folder, and shows how it comes along.

    python3 local/install.py .local/venv requirements.txt

The first environment is that of the tools: it holds pip and, where it can be had, uv, which install into the others too.
Runs before anything is installed, so it imports only the standard library.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

UV = "uv==0.13.8"
TOOLS = Path(".local/venv")
PIP = [str(TOOLS / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
OWN_INDEX = re.compile(r"\.(index-url|no-index|proxy)=")  # settings of pip that uv does not read
_DOWNLOAD = re.compile(r"Downloading (?:\S*/)?(?P<name>[^\s/]+?)(?:-\d\S*)? \((?P<size>[\d.]+) ?Mi?B\)")  # of either


def install(environment: Path, requirements: Path) -> bool:
    """Install the packages, and say whether all of them are there."""
    began = time.monotonic()
    size = re.search(r"(?<=About )\d+ MB", requirements.read_text())
    print(f"installing {requirements}" + (f": about {size[0]} to download" if size else ""), flush=True)
    for each, program in ((TOOLS, "pip"), (environment, "python")):
        if not (each / "bin" / program).exists():
            venv.create(each, clear=True, symlinks=True, with_pip=each == TOOLS)
    python = str(environment / "bin" / "python")
    done = _with_uv(python, requirements) or _with_pip(python, requirements)
    if done:
        print(f"  installed in {time.monotonic() - began:.0f} s", flush=True)
    return done


def _with_uv(python: str, requirements: Path) -> bool:
    """Install with uv, and keep uv only where it works, because a bundle takes the uv that it finds."""
    uv = TOOLS / "bin" / "uv"
    if not uv.exists():
        settings = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
        if OWN_INDEX.search(settings):
            return False
        _shown([*PIP, "install", "--only-binary=:all:", UV])
    if not uv.exists():
        return False
    if failed := _shown([str(uv), "pip", "install", "--python", python, "-r", str(requirements)]):
        print(f"  uv could not ({failed}); pip tries")
        _shown([*PIP, "uninstall", "--yes", "uv"])
    return not failed


def _with_pip(python: str, requirements: Path) -> bool:
    """Install with pip. Nothing is compiled: a demo imports a tenth of the files."""
    failed = _shown([*PIP, "--python", python, "install", "--no-compile", "-r", str(requirements)])
    if failed:
        print(f"error: {requirements} could not be installed: {failed}", file=sys.stderr)
    return not failed


def _shown(command: list[str]) -> str:
    """Run it and show each package of a megabyte or more that it downloads. Return the end of its output if it fails."""
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line.strip())
            if found := _DOWNLOAD.match(said[-1]):
                print(f"  {found['name'].replace('_', '-'):<34} {float(found['size']):4.0f} MB", flush=True)
    return " ".join(" ".join(said).split())[-800:] if process.returncode else ""


if __name__ == "__main__":
    if not importlib.util.find_spec("ensurepip"):
        sys.exit(f"error: {sys.executable} cannot make virtual environments: install the package python3-venv")
    try:
        sys.exit(0 if install(*map(Path, sys.argv[1:3])) else 1)
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on from here")
