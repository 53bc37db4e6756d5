"""Folders of checks: what is read of them, whose they have to be, and how their mistakes are told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from machine import firstlight

from checks import registry
from checks.authoring import plugins
from checks.authoring.foldertest import run_folder
from checks.authoring.scaffold import PYTHON, write_check
from checks.errors import BadInput, BadProfile
from checks.fact import FACTS

CHECK = '''
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import passed

@check("{id}", severity=Severity.P3, about="system", owner="vendor")
def judged() -> Verdict:
    """It is so."""
    return passed("so")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir(mode=0o755)
    return made


def test_every_module_and_text_is_read_but_for_what_begins_with_an_underscore(folder: Path) -> None:
    (folder / "b.py").write_text(CHECK.format(id="acme.b"))
    (folder / "_c.py").write_text(CHECK.format(id="acme.c"))
    (folder / "notes.txt").write_text("no check")
    write_check("acme.a", folder, as_yaml=True)
    assert [check.id for check in plugins.use([folder])] == ["acme.a", "acme.b"]
    assert registry.foreign() == ["acme.a", "acme.b"]
    assert registry.origin_of("acme.b") == str(folder / "b.py")


def test_modules_of_a_folder_reach_each_other_and_hide_nobody(folder: Path, tmp_path: Path) -> None:
    (folder / "_seats.py").write_text("NEEDED = 7\n")
    (folder / "json.py").write_text("from ._seats import NEEDED\n" + CHECK.format(id="acme.json"))
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    (other / "_seats.py").write_text("NEEDED = 8\n")
    (other / "json.py").write_text("from ._seats import NEEDED\n" + CHECK.format(id="other.json"))
    one, two = plugins.use([folder, other])
    assert sys.modules[one.function.__module__].NEEDED == 7
    assert sys.modules[two.function.__module__].NEEDED == 8
    import json

    assert json.loads("[1]") == [1]


def test_nothing_compiled_is_left_and_what_changed_is_read_anew(folder: Path) -> None:
    (folder / "a.py").write_text(CHECK.format(id="acme.one"))
    plugins.use([folder])
    (folder / "a.py").write_text(CHECK.format(id="acme.two"))
    plugins.use([folder])
    assert registry.foreign() == ["acme.two"]
    assert [path.name for path in folder.iterdir()] == ["a.py"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x = 1\nif x\n", 2, "SyntaxError: expected ':'"),
        ("x = 1\nimport acme_nowhere\n", 2, "ModuleNotFoundError: No module named 'acme_nowhere'"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)\n", 1, "SystemExit: 0"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError: Expecting property name"),
        (CHECK.format(id="acme"), 6, "ValueError: check id 'acme' is not of the form area.thing"),
        (CHECK.format(id="disk.free"), None, "check disk.free is built in (checks.library.disk)"),
        (CHECK.format(id="acme.x") * 2, None, None),
        (
            CHECK.format(id="acme.x").replace("judged()", "judged(many: complex = 1j)"),
            6,
            "acme.x: its parameters cannot be read: <class 'complex'> cannot be the type of a parameter",
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_line(
    folder: Path, text: str, line: int | None, said: str | None
) -> None:
    (folder / "a.py").write_text(text)
    if said is None:  # the same function again is the same check
        assert len({check.id for check in plugins.use([folder])}) == 1
        return
    with pytest.raises(BadProfile) as refused:
        plugins.use([folder])
    assert said in str(refused.value)
    assert (refused.value.where, refused.value.line) == (str(folder / "a.py"), line)


def test_of_a_folder_with_a_mistake_nothing_stays(folder: Path) -> None:
    write_check("acme.good", folder, as_yaml=False)
    (folder / "zz.py").write_text("raise ValueError('late')\n")
    with pytest.raises(BadProfile, match="late"):
        plugins.use([folder])
    assert registry.foreign() == []
    assert "acme.good" not in registry.known()
    assert "AcmeGoodFile" not in FACTS


def test_an_id_of_two_folders_is_refused_with_both(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    for each in (folder, other):
        (each / "a.py").write_text(CHECK.format(id="acme.a"))
    with pytest.raises(BadProfile, match=r"check acme.a is declared twice") as refused:
        plugins.use([folder, other])
    assert str(folder / "a.py") in str(refused.value)
    assert str(other / "a.py") in str(refused.value)


def test_a_fact_whose_name_is_taken_is_refused(folder: Path) -> None:
    import checks.facts.files  # whose FileStat is known then

    del checks
    (folder / "a.py").write_text(
        "from checks.fact import Fact, fact\n\n@fact\nclass FileStat(Fact, frozen=True):\n    path: str\n"
    )
    before = FACTS["FileStat"]
    with pytest.raises(BadProfile, match=r"fact FileStat is declared in checks\.facts\.files already"):
        plugins.use([folder])
    assert FACTS["FileStat"] is before


@pytest.mark.parametrize("kind", ["module", "text", "folder", "underscore"])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_may_write_is_refused(folder: Path, kind: str, bits: int) -> None:
    names = {"module": "a.py", "text": "acme.a.yaml", "underscore": "_a.py"}
    write_check("acme.a", folder, as_yaml=True)
    (folder / "a.py").write_text("")
    (folder / "_a.py").write_text("")
    assert len(plugins.use([folder])) == 1
    wrong = folder / names[kind] if kind in names else folder
    wrong.chmod(wrong.stat().st_mode | bits)
    with pytest.raises(BadInput) as refused:
        plugins.use([folder])
    assert str(refused.value) == f"{wrong}: others may write it, and checks are code; chmod go-w {wrong}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_refused(folder: Path) -> None:
    write_check("acme.a", folder, as_yaml=True)
    os.chown(folder / "acme.a.yaml", 65534, 65534)
    with pytest.raises(BadInput, match="belongs to user id 65534; checks are code"):
        plugins.use([folder])


def test_a_link_leads_to_no_folder_that_others_may_write(folder: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    (loose / "a.py").write_text(CHECK.format(id="acme.a"))
    (loose / "a.py").chmod(0o644)
    (folder / "a.py").symlink_to(loose / "a.py")
    with pytest.raises(BadInput, match=f"{loose}: others may write it"):
        plugins.use([folder])


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder of checks"):
        plugins.use([tmp_path / "nowhere"])


def test_a_new_check_holds_as_it_is(folder: Path) -> None:
    write_check("acme.one", folder, as_yaml=False)
    write_check("acme.two_words", folder, as_yaml=True)
    told = list(run_folder(folder))
    assert [(each.check, each.problems) for each in told] == [("acme.one", ())] * 4 + [
        ("acme.two_words", ())
    ] * 5


def test_a_new_check_can_be_used_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_check("acme.one", tmp_path / "new" / "own", as_yaml=False)
    finally:
        os.umask(before)
    assert [check.id for check in plugins.use([tmp_path / "new" / "own"])] == ["acme.one"]


def test_a_new_check_overwrites_nothing(folder: Path) -> None:
    write_check("acme.one", folder, as_yaml=False)
    (folder / "cases" / "acme.one.yaml").unlink()
    with pytest.raises(BadInput, match=r"acme_one.py: is there already; nothing was written"):
        write_check("acme.one", folder, as_yaml=False)
    assert not (folder / "cases" / "acme.one.yaml").exists()


@pytest.mark.parametrize("id", ["acme", "Acme.one", "acme.one.two", "../x.y", "disk.free"])
def test_a_new_check_has_an_id_of_its_own(folder: Path, id: str) -> None:
    with pytest.raises(BadInput, match=r"is no id for a check|there is a check disk.free already"):
        write_check(id, folder, as_yaml=True)
    assert list(folder.iterdir()) == []


def test_the_new_fact_reads_a_real_file_and_refuses_what_is_no_number(folder: Path, tmp_path: Path) -> None:
    from checks.fact import NotReadable
    from checks.facts.localhost import LocalHost

    assert "@" in PYTHON
    write_check("acme.one", folder, as_yaml=False)
    plugins.use([folder])
    file = tmp_path / "count"
    file.write_text("12\nmore\n")
    made = FACTS["AcmeOneFile"](str(file))  # type: ignore[call-arg]
    assert made.read(LocalHost()) == 12
    file.write_text("twelve\n")
    with pytest.raises(NotReadable, match="is no number"):
        made.read(LocalHost())


def test_failing_tests_are_told_with_what_differs_and_where(folder: Path) -> None:
    write_check("acme.one", folder, as_yaml=False)
    cases = folder / "cases" / "acme.one.yaml"
    cases.write_text(cases.read_text().replace("status: fail", "status: warn"))
    (folder / "cases" / "acme.gone.yaml").write_text("{}\n")
    told = {each.name: each for each in run_folder(folder) if each.problems}
    assert told["too few fail"].problems == (
        "status 'warn' was expected, not 'fail'",
        "it said fail at '/opt/acme/one' (low): there are 0, 1 are needed",
    )
    assert told["too few fail"].place == f"{cases}:5"
    assert told["has a check"].check == "acme.gone"
    assert "keeps the contract" not in told  # what fails its cases is not asked for more


@pytest.mark.parametrize(
    ("wrong", "said", "line"),
    [
        ("  now: tomorrow\n", "`now` is a moment such as 2026-05-01T00:00:00+00:00", 2),
        ("  with: {at_leest: 2}\n", "acme.one has no parameter 'at_leest'; did you mean at_least?", 2),
        ("  wiht: {}\n", "a case has no key 'wiht'; did you mean with?", 2),
    ],
)
def test_a_case_that_is_wrong_itself_is_told_with_its_line(
    folder: Path, wrong: str, said: str, line: int
) -> None:
    write_check("acme.one", folder, as_yaml=False)
    cases = folder / "cases" / "acme.one.yaml"
    text = cases.read_text().partition("\n")
    cases.write_text(
        f"{text[0]}\n{wrong}" + text[2].replace("  with: {path: /opt/acme/one, at_least: 2}\n", "")
    )
    try:
        (told,) = (each for each in run_folder(folder) if each.problems)
        assert (told.problems, told.place) == ((said,), f"{cases}:{line}")
    except BadProfile as refused:
        assert (refused.problem, refused.line) == (said, line)


def test_a_check_without_cases_does_not_keep_the_contract(folder: Path) -> None:
    write_check("acme.one", folder, as_yaml=False)
    (folder / "cases" / "acme.one.yaml").unlink()
    (told,) = run_folder(folder)
    assert told.problems == (
        "it has no case that ends in pass",
        "it has no case that ends in fail or warn",
        "it has no case that ends in error",
        f"its cases belong into {folder}/cases/acme.one.yaml",
    )


PROFILE = "profile: p\nitems: [{check: acme.one, with: {path: %s}}]\n"


def test_the_commands_take_a_folder_by_option_by_environment_and_by_configuration(
    folder: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    made = firstlight("new-check", "acme.one", "--dir", str(folder), state=state)
    assert (made.returncode, made.stdout) == (0, f"{folder}/acme_one.py\n{folder}/cases/acme.one.yaml\n")
    tested = firstlight("test-checks", str(folder), state=state)
    assert (tested.returncode, tested.stderr) == (0, "")
    assert tested.stdout.splitlines() == [
        "acme.one",
        "  ok    enough pass",
        "  ok    too few fail",
        "  ok    unread is an error",
        "  ok    keeps the contract",
        "4 tests of 1 check, all hold",
    ]
    count, profile = tmp_path / "count", tmp_path / "p.yaml"
    count.write_text("3\n")
    profile.write_text(PROFILE % count)
    args = ("check", str(profile), "--no-send", "--all")
    unknown = firstlight(*args, state=state)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith(f"firstlight: {profile}:2: unknown check 'acme.one'")
    by_option = firstlight(*args, "--checks-dir", str(folder), state=state)
    by_environment = firstlight(*args, state=state, env={"FIRSTLIGHT_CHECKS_DIR": f"{folder}:"})
    state.mkdir(exist_ok=True)
    (state / "config.toml").write_text(f'checks_dir = ["{folder}"]\n')
    by_configuration = firstlight(*args, state=state)
    for done in (by_option, by_environment, by_configuration):
        assert (done.returncode, done.stderr) == (0, "")
        assert "there are 3" in done.stdout
    listed = firstlight("checks", "list", state=state).stdout.splitlines()
    (line,) = (each for each in listed if each.startswith("acme.one"))
    assert line.split(maxsplit=2)[1:] == ["P2", f"There are enough of them  [{folder}/acme_one.py]"]
    page = firstlight("checks", "show", "acme.one", state=state).stdout
    assert f"From {folder}/acme_one.py" in page
    planned = firstlight("plan", str(profile), state=state).stdout
    assert f"read the number in {count}" in planned


def test_a_failing_test_ends_with_one_and_a_wrong_folder_with_two(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    write_check("acme.one", folder, as_yaml=False)
    cases = folder / "cases" / "acme.one.yaml"
    cases.write_text(cases.read_text().replace("there are 3", "there are 4"))
    done = firstlight("test-checks", str(folder), state=state)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "acme.one",
        "  FAIL  enough pass",
        "          message 'there are 4' was expected, not 'there are 3'",
        "          it said pass at '/opt/acme/one' (): there are 3",
        f"          in {cases}:1",
        "  ok    too few fail",
        "  ok    unread is an error",
        "3 tests of 1 check, 1 of them fails",
    ]
    (folder / "acme_one.py").write_text("import os\nos.nothing\n")
    broken = firstlight("test-checks", str(folder), state=state)
    assert (broken.returncode, broken.stdout) == (2, "")
    said = "AttributeError: module 'os' has no attribute 'nothing'"
    assert broken.stderr == f"firstlight: {folder}/acme_one.py:2: {said}\n"
