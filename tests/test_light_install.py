"""A machine without the extras: all of Lanewatch but torch's models and the reports' pictures is there."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from lanewatch import demo
from tests import light
from tests.test_architecture import MODULES, ROOT, WRAPPER_MODULES, imports, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[<>=\[;]", requirement)[0]) for requirement in requirements}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def test_what_is_imported_is_a_dependency() -> None:
    """It does not merely happen to come with another package. Starlette is FastAPI's, pydantic_core pydantic's."""
    distributions = packages_distributions()
    base = names(PROJECT["dependencies"]) | {"starlette", "pydantic-core"}
    extras = names(PROJECT["optional-dependencies"]["gpu"])
    evaluation = names(PROJECT["optional-dependencies"]["evaluation"])
    assert not base & (extras | evaluation)
    wrong = []
    for module in MODULES:
        allowed = base | (extras if module in WRAPPER_MODULES else set())
        allowed |= evaluation if module == "detectors.evaluation.plots" else set()
        for name, line in imports(parsed(module)):
            brought = {plain(found) for found in distributions.get(name.partition(".")[0], ())}
            if brought and "lanewatch" not in brought and not brought & allowed:
                wrong.append(f"{module}:{line} imports {name}")
    assert wrong == []


def test_every_module_but_torchs_is_imported_without_the_extras() -> None:
    """So every stage, sampler, watcher and service included, starts without them."""
    light_modules = sorted(set(MODULES) - WRAPPER_MODULES - {"lanewatch.__main__"})
    code = (
        f"import importlib\nfor name in {light_modules}: importlib.import_module(name)\n"
        f"print([name for name in {light.HIDDEN} if name in sys.modules])"
    )
    done = light.python(code, folder=ROOT)
    assert done.stderr == ""
    assert done.stdout == "[]\n"


ASKED = {
    "detector": "registry.load(sys.argv[1], 'cpu')",
    "pose": "pose.load(sys.argv[1], 'cpu')",
    "cuda": "nanodet.load('cuda:0', 0.2)",
}


@pytest.mark.parametrize("model", sorted(ASKED))
def test_a_model_that_needs_torch_reports_how_to_install_it(model: str, tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"")
    code = f"""
from models import extras, hardware
from models.detection import nanodet, registry
from models.pose import registry as pose
hardware.available_devices = lambda: ("cpu", "cuda:0")
assert hardware.choose_device("auto") == "cpu"
try:
    {ASKED[model]}
except extras.ExtraMissingError as error:
    print(error)
"""
    done = light.python(code, tmp_path / "best.pt")
    assert done.returncode == 0, done.stderr
    assert "needs the package" in done.stdout
    for command in ("pip install 'lanewatch[gpu]'", "make gpu", "pip download", "--no-index --find-links"):
        assert command in done.stdout
    assert "there is a GPU, but no torch to use it" in done.stderr


def test_check_and_models_say_so_too(tmp_path: Path) -> None:
    weights = tmp_path / "var" / "weights" / "best.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"")
    text = demo.SITE.read_text(encoding="utf-8").replace("file:clip.mp4", f"file:{demo.CLIP}")
    site = tmp_path / "site.yaml"
    site.write_text(text + "\ndetector: {name: best}\n", encoding="utf-8")
    command = light.COMMAND.removeprefix(light.HIDING)
    checked = light.python(command, "check", site, folder=tmp_path)
    assert checked.returncode == 1
    line = len(text.splitlines()) + 2
    assert f"site.yaml:{line}: var/weights/best.pt needs torch and ultralytics" in checked.stdout
    assert "pip install 'lanewatch[gpu]'" in checked.stdout
    listed = light.python(command, "models", folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "pip install 'lanewatch[gpu]'" in listed.stdout
    assert re.search(r"best\.pt .* needs the extra gpu", listed.stdout)
    listed = light.python(command, "models", "--lang", "ko", folder=tmp_path)
    assert re.search(r"best\.pt .* 아직 없음", listed.stdout)
    assert "pip install 'lanewatch[gpu]'" in listed.stdout
    exported = light.python(command, "models", "export", "best", folder=tmp_path)
    assert exported.returncode == 1
    assert "pip install 'lanewatch[gpu]'" in exported.stderr


def test_a_report_without_the_plot_library_reports_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("")
    command = light.COMMAND.removeprefix(light.HIDING)
    truth = ("evaluate", tmp_path / "events.jsonl", "--truth", demo.TRUTH, "--site", demo.SITE)
    done = light.python(command, *truth, "--report", tmp_path / "report")
    assert done.returncode == 1
    assert "pip install 'lanewatch[evaluation]'" in done.stderr
    assert "Traceback" not in done.stderr
    done = light.python(command, *truth)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| all |" in done.stdout
