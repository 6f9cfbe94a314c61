"""The zip of a function: what is in it, what is not, and when it is made anew."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from infra.constructs import bundle
from infra.constructs.bundle import Bundle, BundleError

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


def _names(zipped: Path) -> set[str]:
    with zipfile.ZipFile(zipped) as archive:
        assert len(set(archive.namelist())) == len(archive.namelist())
        return set(archive.namelist())


def _unpacked(zipped: Path, folder: Path) -> Path:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder


def test_a_host_bundle_holds_sources_and_their_compiled_form_and_runs(lambdas: Path, tmp_path: Path) -> None:
    zipped = Bundle(lambdas / "functions/one", lambdas, "host").zip()
    out = _unpacked(zipped, tmp_path / "out")
    tag = sys.implementation.cache_tag
    assert _names(zipped) == {
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
    out = _unpacked(Bundle(lambdas / "functions/one", lambdas, "host").zip(), tmp_path / "out")
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
    (lambdas / "functions/one/.DS_Store").write_bytes(b"x")
    assert one.hash() == before


def test_every_user_of_the_runtime_may_read_the_files(lambdas: Path) -> None:
    with zipfile.ZipFile(Bundle(lambdas / "functions/one", lambdas, "host").zip()) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_a_zip_is_kept_until_something_in_it_changes_and_then_replaced(lambdas: Path) -> None:
    one = Bundle(lambdas / "functions/one", lambdas, "host")
    first = one.zip()
    written = first.stat().st_mtime_ns
    assert one.zip().stat().st_mtime_ns == written
    other = Bundle(lambdas / "functions/two", lambdas, "host").zip()
    (lambdas / "fitting_room/words.py").write_text("WORD = 'changed'\n")
    second = one.zip()
    assert second != first
    assert not first.exists()
    assert other.exists()


def test_wheels_for_lambda_are_arm64_and_installed_once_for_all_functions(
    lambdas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (bundle.ROOT / "lambdas/functions/http/api/requirements.txt").read_text()
    (pin,) = (
        line for line in (bundle.ROOT / "lambdas/constraints.txt").read_text().splitlines() if "pydantic_core" in line
    )
    assert "pydantic==" in wanted
    for name in ("one", "two"):
        (lambdas / f"functions/{name}/requirements.txt").write_text(pin + "\n")
    one = Bundle(lambdas / "functions/one", lambdas, "arm64").zip()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a second installation"))
    two = Bundle(lambdas / "functions/two", lambdas, "arm64").zip()
    for zipped in (one, two):
        files = _names(zipped)
        assert any(file.endswith("cpython-314-aarch64-linux-gnu.so") for file in files)
        assert not [file for file in files if "x86_64" in file or file.startswith((".lock", "bin/"))]


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_package_that_does_not_exist_is_named_in_one_line(
    lambdas: Path, monkeypatch: pytest.MonkeyPatch, installer: str
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "_UV", Path("/nowhere/uv"))
    (lambdas / "functions/one/requirements.txt").write_text("./no-such-folder\n")
    with pytest.raises(
        BundleError, match=r"functions/one/requirements\.txt could not .* for host: .*no-such-folder"
    ) as said:
        Bundle(lambdas / "functions/one", lambdas, "host").zip()
    assert "\n" not in str(said.value)
    assert not list(bundle._CACHE.iterdir())


def test_code_that_does_not_compile_is_named_in_one_line(lambdas: Path) -> None:
    (lambdas / "fitting_room/words.py").write_text("WORD = 'try on\n")
    with pytest.raises(
        BundleError, match=r"does not compile: .*fitting_room/words\.py.*line 1.*SyntaxError: unterminated string"
    ) as said:
        Bundle(lambdas / "functions/one", lambdas, "host").zip()
    assert "\n" not in str(said.value)
    assert not [left for left in bundle._CACHE.iterdir() if not left.name.startswith("wheels-")]


def test_what_a_killed_synth_left_goes_and_what_another_is_making_stays(lambdas: Path) -> None:
    for name, age in (("unfinished-old", 7200), ("unfinished-new", 60)):
        (bundle._CACHE / name).mkdir(parents=True)
        os.utime(bundle._CACHE / name, (time.time() - age,) * 2)
    Bundle(lambdas / "functions/one", lambdas, "host").zip()
    assert [left.name for left in bundle._CACHE.glob("unfinished-*")] == ["unfinished-new"]


def test_bundling_starts_no_process_that_runs_the_app_again(lambdas: Path, tmp_path: Path) -> None:
    """Where processes are spawned, as on every Mac, a child imports the main module: a pool in it breaks an app."""
    app = tmp_path / "app.py"
    app.write_text(f"""
import multiprocessing, sys
multiprocessing.set_start_method("spawn", force=True)
sys.path.insert(0, {str(bundle.ROOT)!r})
from pathlib import Path
from infra.constructs import bundle
bundle._CACHE = Path({str(tmp_path / "spawned")!r})
lambdas = Path({str(lambdas)!r})
print(bundle.Bundle(lambdas / "functions/one", lambdas, "host").zip().name)
""")
    done = subprocess.run([sys.executable, str(app)], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr


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
    _unpacked(Bundle(lambdas / "functions" / folder, lambdas, "host").zip(), tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(runtime)!r}]; import handler; assert handler.handler"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_requirement_is_pinned_as_the_constraints_say() -> None:
    pins = set((bundle.ROOT / "lambdas/constraints.txt").read_text().splitlines())
    for file in (bundle.ROOT / "lambdas/functions").rglob("requirements.txt"):
        assert set(file.read_text().split()) <= pins, file


def test_boto3_is_the_runtime_s_own_but_where_its_version_matters() -> None:
    """The runtime's may be too old to know the dates of a model's life, or the name of an answer at SageMaker."""
    functions = bundle.ROOT / "lambdas/functions"
    assert [folder for folder in FUNCTIONS if "boto3==" in (functions / folder / "requirements.txt").read_text()] == [
        "job/start_sagemaker",
        "schedule/watch_models",
    ]
