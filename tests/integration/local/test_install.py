"""The installer with stand-ins for uv and pip: what it shows, and which of the two installs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local import install


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both environments, pip in that of the tools, and requirements."""
    monkeypatch.chdir(tmp_path)
    for environment in ("venv", "other"):
        (tmp_path / ".local" / environment / "bin").mkdir(parents=True)
        (tmp_path / ".local" / environment / "bin" / "python").touch()
    (tmp_path / ".local/venv/bin/pip").touch()
    (tmp_path / "requirements.txt").write_text("# What is needed. About 12 MB to download.\nx==1\n")
    monkeypatch.setattr(install, "PIP", [str(program(tmp_path / "pip", ""))])
    return tmp_path


def program(file: Path, says: str, code: int = 0) -> Path:
    """It says this, writes its arguments into `<file>.calls`, and ends with this code."""
    file.write_text(
        f"#!{sys.executable}\nimport sys\nopen({f'{file}.calls'!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"print({says!r})\nsys.exit({code})\n"
    )
    file.chmod(0o755)
    return file


def calls(file: Path) -> list[str]:
    calls = Path(f"{file}.calls")
    return calls.read_text().splitlines() if calls.exists() else []


def run(environment: str = "venv") -> bool:
    return install.install(Path(".local") / environment, Path("requirements.txt"))


def test_it_says_how_much_it_downloads_and_then_each_package(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(folder / ".local/venv/bin/uv", "Resolved 3\nDownloading aws-cdk-lib (57.1MiB)\nDownloading idna (70.1KiB)")
    assert run()
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "installing requirements.txt: about 12 MB to download"
    assert [line.split() for line in out[1:-1]] == [["aws-cdk-lib", "57", "MB"]]


def test_pip_s_downloads_are_shown_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    says = "  Downloading https://files/x/aws_cdk_lib-2.275.0-py3-none-any.whl (59.8 MB)\n  Downloading a-1.whl.metadata (9 kB)"
    install._shown([str(program(folder / "pip2", says))])
    assert capsys.readouterr().out.split() == ["aws-cdk-lib", "60", "MB"]


def test_uv_comes_first_and_installs_into_the_environment_that_is_named(folder: Path) -> None:
    uv = program(folder / ".local/venv/bin/uv", "")
    assert run("other")
    assert calls(uv) == ["pip install --python .local/other/bin/python -r requirements.txt"]
    assert calls(folder / "pip") == []


def test_where_uv_cannot_be_had_pip_installs(folder: Path) -> None:
    assert run("other")
    *_, last = calls(folder / "pip")
    assert last == "--python .local/other/bin/python install --no-compile -r requirements.txt"


@pytest.mark.parametrize(
    ("settings", "asked_for"),
    [
        ("global.index-url='https://pip.corp/simple'", False),
        (":env:.no-index='1'", False),
        ("global.extra-index-url='https://more/simple'", True),
        ("", True),
    ],
)
def test_uv_is_not_installed_where_pip_has_an_index_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str, asked_for: bool
) -> None:
    monkeypatch.setattr(install, "PIP", [str(program(folder / "pip", settings))])
    assert run()
    assert any(install.UV in call for call in calls(folder / "pip")) is asked_for


def test_uv_that_fails_goes_and_pip_installs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(folder / ".local/venv/bin/uv", "error: certificate unknown", 2)
    assert run()
    assert calls(folder / "pip")[0] == "uninstall --yes uv"
    assert len(calls(folder / "pip")) == 2
    assert "uv could not (error: certificate unknown); pip tries" in capsys.readouterr().out


def test_what_neither_can_install_is_an_error_in_their_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "PIP", [str(program(folder / "pip", "ERROR: No matching\ndistribution", 1))])
    assert not run()
    assert "error: requirements.txt could not be installed: ERROR: No matching distribution" in capsys.readouterr().err
