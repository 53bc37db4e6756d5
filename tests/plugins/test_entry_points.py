"""Checks of installed distributions: found without `importlib.metadata`, imported late, told when broken."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest
from machine import ROOT, environment

from checks import registry
from checks.authoring import plugins
from checks.authoring.plugins import EntryPoint, entry_points
from checks.errors import BadInput

CHECK = '''
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import passed

@check("{id}", severity=Severity.P3, about="system", owner="vendor")
def judged() -> Verdict:
    """It is so."""
    return passed("so")
'''


def install(site: Path, distribution: str, module: str, code: str, entry: str = "") -> None:
    """A distribution as an installer leaves it, in a folder of the path."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(code)
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    name = entry or distribution.partition("-")[0]
    (info / "entry_points.txt").write_text(
        f"[console_scripts]\nx = y:z\n\n[firstlight.checks]\n# ours\n{name} = {module}\n\n[other]\na = b\n"
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_they_are_those_that_the_standard_library_finds(site: Path, tmp_path: Path) -> None:
    install(site, "acme-checks", "acme_a", "")
    install(site, "other-checks", "other_a", "")
    shadow = tmp_path / "later"
    install(shadow, "acme-checks", "acme_shadowed", "")
    sys.path.append(str(shadow))
    theirs = importlib.metadata.entry_points(group="firstlight.checks")
    found = entry_points()
    assert {(each.name, each.module) for each in found} == {(each.name, each.module) for each in theirs}
    assert found == [
        EntryPoint("acme-checks 1.2", "acme", "acme_a"),
        EntryPoint("other-checks 1.2", "other", "other_a"),
    ]


def test_a_path_that_is_no_folder_is_passed_over(tmp_path: Path) -> None:
    assert entry_points([str(tmp_path / "gone.zip"), __file__, "/proc/1/nowhere"]) == []


def test_only_an_unknown_id_imports_and_the_area_comes_first(site: Path) -> None:
    install(site, "acme-checks", "acme_a", CHECK.format(id="acme.a"))
    install(site, "other-checks", "other_a", CHECK.format(id="other.a"))
    registry.get("disk.free")
    assert {"acme_a", "other_a"} & {*sys.modules} == set()
    assert registry.get("other.a").id == "other.a"
    assert {"acme_a", "other_a"} & {*sys.modules} == {"other_a"}
    assert registry.origin_of("other.a") == "other-checks 1.2"
    plugins.load_all()
    assert registry.foreign() == ["acme.a", "other.a"]


def test_an_entry_point_of_another_name_is_found_too(site: Path) -> None:
    install(site, "acme-checks", "acme_a", CHECK.format(id="till.open"), entry="whatever")
    assert registry.get("till.open").id == "till.open"


def test_a_plugin_that_cannot_be_imported_costs_its_own_checks_only(site: Path) -> None:
    install(site, "acme-checks", "acme_a", CHECK.format(id="acme.a"))
    install(site, "broken-checks", "broken_a", CHECK.format(id="broken.a") + "import broken_nowhere\n")
    plugins.load_all()
    assert registry.foreign() == ["acme.a"]
    said = (
        "plugin broken-checks 1.2 (broken_a) cannot be loaded: "
        "ModuleNotFoundError: No module named 'broken_nowhere'"
    )
    assert plugins.problems() == [said]
    with pytest.raises(BadInput, match=r"unknown check 'broken\.a'") as refused:
        registry.get("broken.a")
    assert str(refused.value).endswith(said)


def test_a_check_whose_parameters_cannot_be_read_costs_itself_only(site: Path) -> None:
    odd = CHECK.format(id="acme.odd").replace("judged()", "odd(many: complex = 1j)")
    install(site, "acme-checks", "acme_a", CHECK.format(id="acme.a") + odd)
    plugins.load_all()
    assert registry.foreign() == ["acme.a"]
    assert plugins.problems() == [
        "plugin acme-checks 1.2 (acme_a): check acme.odd: its parameters cannot be read: "
        "<class 'complex'> cannot be the type of a parameter"
    ]


@pytest.mark.parametrize("taken", ["disk.free", "acme.a"])
def test_an_id_that_is_taken_is_refused_with_both_and_costs_that_check_only(site: Path, taken: str) -> None:
    install(site, "acme-checks", "acme_a", CHECK.format(id="acme.a"))
    second = CHECK.format(id="other.good").replace("judged", "judged_well")
    install(site, "other-checks", "other_a", CHECK.format(id=taken) + second)
    plugins.load_all()
    assert registry.foreign() == ["acme.a", "other.good"]
    (said,) = plugins.problems()
    whose = "built in (checks.library.disk)" if taken == "disk.free" else "acme-checks 1.2 (acme_a.judged)"
    assert said.startswith("plugin other-checks 1.2 (other_a): check ")
    assert whose in said
    assert "other-checks 1.2 (other_a.judged)" in said
    assert registry.get("disk.free").function.__module__ == "checks.library.disk"


def test_a_built_in_module_that_a_plugin_was_first_to_import_stays_built_in() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from checks import registry\n"
        "from checks.authoring import plugins\n"
        "from checks.fact import FACTS\n"
        "plugins.load_all()\n"
        "print(registry.foreign(), registry.origin_of('disk.free'), 'DiskUsage' in FACTS)\n"
        "print(registry.get('disk.free').id, plugins.problems())\n"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder), "acme-checks", "acme_a", "import checks.library.disk\nraise ValueError('x')\n")
        done = subprocess.run(
            [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True, cwd=ROOT
        )
    assert done.stdout.splitlines() == [
        "[]  True",
        "disk.free ['plugin acme-checks 1.2 (acme_a) cannot be loaded: ValueError: x']",
    ]


def wheel(folder: Path) -> Path:
    """A wheel of one module, as a build tool makes it; pip checks the digests."""
    info = "acme_checks-3.1.dist-info"
    files = {
        "acme_checks.py": CHECK.format(id="acme.a"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: acme-checks\nVersion: 3.1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[firstlight.checks]\nacme = acme_checks\n",
    }
    rows = [
        f"{name},sha256={urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}"
        for name, text in files.items()
    ]
    made = folder / "acme_checks-3.1-py3-none-any.whl"
    with ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return made


def test_a_package_that_pip_installed_is_found_by_the_program(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run(
        [*pip, "--target", str(site), str(wheel(tmp_path))],
        check=True, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    env = environment(tmp_path / "state") | {"PYTHONPATH": f"{ROOT}:{site}"}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)

    listed = run("checks", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "It is so  [acme-checks 3.1]" in listed.stdout
    profile = tmp_path / "p.yaml"
    profile.write_text("profile: p\nitems: [{check: acme.a}]\n")
    checked = run("check", str(profile), "--no-send")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "All is well." in checked.stdout
    module = site / "acme_checks.py"
    module.write_text("import acme_nowhere\n")
    listed = run("checks", "list")
    assert "acme.a" not in listed.stdout
    assert "\ncfg.consistent " in listed.stdout
    assert listed.stderr == (
        "firstlight: plugin acme-checks 3.1 (acme_checks) cannot be loaded: "
        "ModuleNotFoundError: No module named 'acme_nowhere'\n"
    )
