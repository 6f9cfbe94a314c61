"""Whatever Python bundles for Lambda, the asset has one name, and holds compiled files if the machine can make them."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.constructs import bundle
from infra.constructs.bundle import Bundle, compiler
from tests.infra.test_bundle import lambdas  # noqa: F401  a fixture


@pytest.fixture(autouse=True)
def found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This interpreter is too old to compile for Lambda, and no other is installed."""
    monkeypatch.setattr(bundle, "_UV", Path("/nowhere/uv"))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    compiler.cache_clear()
    yield
    compiler.cache_clear()


def program(folder: Path, name: str, body: str) -> str:
    """Put a program into a folder that is searched."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_the_right_version_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = program(tmp_path / "bin", "python3.14", "echo cpython-314")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert compiler("arm64") == found


def test_one_that_uv_manages_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    managed = program(tmp_path / "managed", "python3.14", "echo cpython-314")
    program(tmp_path / "bin", "uv", f"echo {managed}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert compiler("arm64") == managed


@pytest.mark.parametrize("body", ["echo cpython-313", "echo 'pyenv: python3.14: command not found' >&2; exit 127"])
def test_a_name_behind_which_there_is_no_such_version_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    program(tmp_path / "bin", "python3.14", body)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert compiler("arm64") is None


def test_without_one_the_user_is_told_once_what_it_costs_and_how_to_get_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [compiler("arm64") for _ in range(3)] == [None] * 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Python 3.14" in said
    assert "cold start" in said
    assert "uv python install 3.14" in said


def test_the_local_cloud_compiles_with_the_interpreter_that_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert compiler("host") == sys.executable
    assert capsys.readouterr().err == ""


def test_an_asset_for_lambda_has_the_same_name_on_every_machine(
    lambdas: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, hashes = Bundle(lambdas / "functions/one", lambdas, "arm64"), set()
    for version, finds in (((3, 11), None), ((3, 13), "/usr/bin/python3.14"), ((3, 14), "/usr/bin/python3.14")):
        monkeypatch.setattr(sys, "version_info", version)
        monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-{}{}".format(*version))
        monkeypatch.setattr(bundle, "compiler", lambda _, finds=finds: finds)
        hashes.add(one.hash())
    assert len(hashes) == 1


def test_a_zip_made_without_compiled_files_is_made_again_once_there_is_an_interpreter(
    lambdas: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(bundle, "_CACHE", lambdas.parent / "cache")
    monkeypatch.setattr(bundle.Bundle, "_install", lambda self, zipped: zipfile.ZipFile(zipped, "w").close())
    one, held = Bundle(lambdas / "functions/one", lambdas, "arm64"), []
    for finds in (None, sys.executable):
        monkeypatch.setattr(bundle, "compiler", lambda _, finds=finds: finds)
        with zipfile.ZipFile(one.zip()) as archive:
            held.append([name for name in archive.namelist() if name.endswith(".pyc")])
    assert held[0] == []
    assert len(held[1]) == 3
