"""The zip of a function: what is in it, what is not, and when it is made anew."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.constructs import bundle
from infra.constructs.bundle import Bundle

FUNCTIONS = sorted(
    file.parent.relative_to(bundle.ROOT / "lambdas/functions").as_posix()
    for file in (bundle.ROOT / "lambdas/functions").rglob("handler.py")
)


@pytest.fixture
def lambdas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree of sources, and a cache of its own."""
    monkeypatch.setattr(bundle, "_CACHE", tmp_path / "cache")
    root = tmp_path / "lambdas"
    for name, text in {
        "constraints.txt": "annotated-types==0.8.0\n",
        "functions/one/handler.py": "from fitting_room.words import WORD\n\ndef handler(event, context):\n    return WORD\n",
        "functions/one/requirements.txt": "",
        "functions/two/handler.py": "",
        "functions/two/requirements.txt": "",
        "fitting_room/__init__.py": "",
        "fitting_room/words.py": "WORD = 'try on'\n",
        "fitting_room/tests/test_words.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_host_bundle_holds_sources_and_their_compiled_form_and_runs(lambdas: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    Bundle(lambdas / "functions/one", lambdas, "host").write(out)
    tag = sys.implementation.cache_tag
    assert _files(out) == {
        "handler.py",
        f"__pycache__/handler.{tag}.pyc",
        "fitting_room/__init__.py",
        f"fitting_room/__pycache__/__init__.{tag}.pyc",
        "fitting_room/words.py",
        f"fitting_room/__pycache__/words.{tag}.pyc",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import handler; print(handler.handler({}, None))"],
        cwd=out,
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "try on\n"


def test_compiled_files_are_used_whatever_time_the_zip_gives_the_sources(lambdas: Path, tmp_path: Path) -> None:
    Bundle(lambdas / "functions/one", lambdas, "host").write(out := tmp_path / "out")
    words = out / "fitting_room/words.py"
    words.write_text("WORD = 'compiled anew'\n")
    os.utime(words, (0, 0))
    done = subprocess.run(
        [sys.executable, "-c", "import handler; print(handler.handler({}, None))"],
        cwd=out,
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "try on\n"


@pytest.mark.parametrize(
    "changed",
    ["fitting_room/words.py", "functions/one/handler.py", "functions/one/requirements.txt", "constraints.txt"],
)
def test_any_source_or_lock_makes_another_asset(lambdas: Path, changed: str) -> None:
    one = Bundle(lambdas / "functions/one", lambdas, "host")
    before = one.hash()
    assert one.hash() == before
    with (lambdas / changed).open("a") as file:
        file.write("# changed\n")
    assert one.hash() != before


def test_a_platform_or_a_function_is_another_asset_and_leftovers_are_not(lambdas: Path) -> None:
    one = Bundle(lambdas / "functions/one", lambdas, "host")
    before = one.hash()
    assert Bundle(lambdas / "functions/one", lambdas, "arm64").hash() != before
    assert Bundle(lambdas / "functions/two", lambdas, "host").hash() != before
    (lambdas / "fitting_room/__pycache__").mkdir()
    (lambdas / "fitting_room/__pycache__/words.cpython-311.pyc").write_bytes(b"x")
    assert one.hash() == before


def test_wheels_for_lambda_are_arm64_and_installed_once_for_all_functions(
    lambdas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (bundle.ROOT / "lambdas/functions/http/api/requirements.txt").read_text()
    (pin,) = (
        line for line in (bundle.ROOT / "lambdas/constraints.txt").read_text().splitlines() if "pydantic_core" in line
    )
    assert "pydantic==" in wanted
    for name in ("one", "two"):
        (lambdas / f"functions/{name}/requirements.txt").write_text(pin + "\n")
    Bundle(lambdas / "functions/one", lambdas, "arm64").write(tmp_path / "one")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip ran a second time"))
    Bundle(lambdas / "functions/two", lambdas, "arm64").write(tmp_path / "two")
    for name in ("one", "two"):
        files = _files(tmp_path / name)
        assert any(file.endswith("cpython-314-aarch64-linux-gnu.so") for file in files)
        assert not [file for file in files if "x86_64" in file]


def test_a_package_that_does_not_exist_is_an_error_that_names_the_requirements(lambdas: Path, tmp_path: Path) -> None:
    (lambdas / "functions/one/requirements.txt").write_text("./no-such-folder\n")
    with pytest.raises(RuntimeError, match=r"functions/one/requirements\.txt for host"):
        Bundle(lambdas / "functions/one", lambdas, "host").write(tmp_path / "out")
    assert not list((tmp_path / "cache").iterdir())


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Lambda runtime brings along: boto3 and what it needs, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"):
        found = importlib.util.find_spec(name)
        assert found
        assert found.origin
        module = Path(found.origin)
        path = module.parent if module.name == "__init__.py" else module
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_each_function_imports_from_its_own_zip_and_the_runtime_alone(
    folder: str, runtime: Path, tmp_path: Path
) -> None:
    lambdas = bundle.ROOT / "lambdas"
    Bundle(lambdas / "functions" / folder, lambdas, "host").write(tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(runtime)!r}]; import handler; assert handler.handler"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_requirement_is_pinned_as_the_constraints_say() -> None:
    pins = set((bundle.ROOT / "lambdas/constraints.txt").read_text().splitlines())
    for file in (bundle.ROOT / "lambdas/functions").rglob("requirements.txt"):
        assert set(file.read_text().split()) <= pins, file


def test_boto3_is_the_runtime_s_own() -> None:
    assert not [
        file for file in (bundle.ROOT / "lambdas/functions").rglob("requirements.txt") if "boto" in file.read_text()
    ]
