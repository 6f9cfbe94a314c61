"""The Python client, installed into an environment of its own: the command, and the examples of both READMEs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from .conftest import ENDPOINTS, ROOT, SAMPLES, Cloud

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the client and what it asks for."""
    folder = tmp_path_factory.mktemp("client")
    venv.create(folder, symlinks=True)
    tools = ROOT / ".local" / "venv" / "bin"
    uv, python = tools / "uv", folder / "bin" / "python"
    pip = [str(uv), "pip"] if uv.exists() else [str(tools / "python"), "-m", "pip", "--python", str(python)]
    into = ["--python", str(python)] if uv.exists() else []
    subprocess.run([*pip, "install", "--quiet", *into, str(ROOT / "client")], check=True)
    return folder / "bin"


@pytest.fixture
def run(cloud: Cloud, environment: Path, tmp_path: Path) -> Run:
    """Run a program in an empty folder that has the samples and the local cloud's addresses, as the checkout has."""
    (tmp_path / ".local").symlink_to(ENDPOINTS.parent)
    (tmp_path / "local").symlink_to(ROOT / "local")
    key = cloud.live.headers["authorization"].split()[1]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables |= {"FITTING_ROOM_URL": cloud.api, "FITTING_ROOM_KEY": key}

    def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(environment / program), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=300
        )
        assert key not in done.stdout + done.stderr
        assert "Signature" not in done.stdout + done.stderr
        return done

    return run


def _changed(result: Path, person: Path) -> None:
    picture, before = (Image.open(path).convert("RGB") for path in (result, person))
    assert picture.size == before.size
    assert ImageChops.difference(picture, before).getbbox() is not None


def test_the_command_goes_from_two_files_to_the_picture(cloud: Cloud, run: Run, tmp_path: Path) -> None:
    person, tee = SAMPLES / "person_a.png", SAMPLES / "tee.png"
    wanted = (person, tee, "--category", "tops", "--provider", "fashn", "--local")
    priced = run("fitting-room", "estimate", *wanted)
    assert (priced.returncode, priced.stdout.split()[6]) == (0, "fashn"), priced.stderr
    assert cloud.fashn.purchases() == []

    made = run("fitting-room", "try", *wanted, "-o", "out.png")
    assert (made.returncode, made.stdout) == (0, "out.png\n"), made.stderr
    assert len(cloud.fashn.purchases()) == 1
    _changed(tmp_path / "out.png", person)
    job_id = made.stderr.split()[0]
    assert [step in made.stderr for step in ("queued", "done")] == [True, True]

    shown = run("fitting-room", "jobs", "show", job_id, "--local")
    assert '"status": "succeeded"' in shown.stdout
    refused = run("fitting-room", "try", *wanted, "-o", "out.png", "--set", "output.count=99")
    assert refused.returncode == 1
    assert "  field: /output/count\n  remedy: " in refused.stderr
    assert len(cloud.fashn.purchases()) == 1


def test_the_example_of_the_readme(run: Run, tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = run("python", "-c", example)
    assert done.returncode == 0, done.stderr
    _changed(tmp_path / "result.png", SAMPLES / "person_a.png")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_example_for_a_shell(run: Run, tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed here")
    [example] = [
        block
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "curl" in block
    ]
    done = run(str(shutil.which(shell)), "-c", example)
    assert (done.returncode, done.stdout) == (0, "result.png\n"), done.stderr
    _changed(tmp_path / "result.png", SAMPLES / "person_a.png")
    refused = run(str(shutil.which(shell)), "-c", example.replace('\\"tops\\"', '\\"topps\\"'))
    assert (refused.returncode, "Did you mean `tops`?" in refused.stderr) == (1, True)


def test_the_examples_of_the_clients_readme(run: Run, tmp_path: Path) -> None:
    blocking, awaiting, batch, webhook = re.findall(
        r"```python\n(.*?)```", (ROOT / "client" / "README.md").read_text(), re.DOTALL
    )
    for example, results in (
        (blocking, ["result.png"]),
        (awaiting, ["result_1.png", "result_2.png"]),
        (batch, []),
        (webhook, []),
    ):
        done = run("python", "-c", example)
        assert done.returncode == 0, done.stderr
        for name in results:
            _changed(tmp_path / name, SAMPLES / ("person_b.png" if name == "result_2.png" else "person_a.png"))
    sheet = (tmp_path / "out" / "index.html").read_text()
    shown = re.findall(r'<img src="([^"]+)"', sheet)
    assert len(shown) == 3 * 8
    assert all(Image.open(tmp_path / "out" / name).size for name in shown)


def test_only_httpx_and_pydantic_come_with_it(environment: Path) -> None:
    asks = "import importlib.metadata as m; print(*(r.split('>')[0] for r in m.requires('fitting-room')))"
    listed = subprocess.run([environment / "python", "-c", asks], capture_output=True, text=True, check=True, cwd="/")
    assert set(re.findall("[a-z]+", listed.stdout)) == {"httpx", "pydantic"}
