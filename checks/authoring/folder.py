"""A folder of checks: each ``*.py`` that does not begin with ``_`` is a module, each ``*.yaml`` one check.

What lies in it runs with the rights of whoever checks, so it has to belong to root or to them, and nobody
else may write it. Modules of one folder reach each other by relative imports (``from ._facts import Seats``).
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Final

from checks import registry
from checks.errors import BadInput, BadProfile

if TYPE_CHECKING:
    from checks.registry import Check

PACKAGE: Final = "firstlight_checks_"
_loaded: dict[str, list[Check]] = {}


class _Source(SourceFileLoader):
    """Compiles what stands in the file now; never reads or leaves compiled files beside it."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def load_folder(folder: Path) -> list[Check]:
    """Declare the checks of a folder and give them; those of an earlier call for it are forgotten.

    Raises `BadInput` where the folder cannot be used, `BadProfile` with file and line for a mistake in it,
    and for a check whose id is taken.
    """
    real = _folder(folder)
    package = f"{PACKAGE}{_digest(str(real))}"
    _forget(package)
    modules = sorted(path for path in real.glob("*.py"))
    texts = sorted(path for path in real.glob("*.yaml"))
    for path in (*modules, *texts):
        _refuse_foreign(path)
    made: list[Check] = []
    _loaded[package] = made
    try:
        _open_package(package, real)
        for path in modules:
            if not path.name.startswith("_"):
                made += _module(package, path)
        for path in texts:
            made += _text(path)
    except BaseException:
        _forget(package)
        raise
    return made


def _folder(folder: Path) -> Path:
    try:
        real = folder.resolve()
        if not real.is_dir():
            raise BadInput(f"{folder}: is no folder of checks")
    except (OSError, RuntimeError, ValueError) as problem:
        raise BadInput(f"{folder}: cannot be used: {problem}") from None
    _refuse_foreign(real)
    return real


def _refuse_foreign(path: Path) -> None:
    """Checks are code: whoever may write them may do all that the one who runs them may."""
    if os.name != "posix":
        return
    try:
        found = path.stat()
        if path.is_symlink():
            _refuse_foreign(path.resolve().parent)
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    if found.st_uid not in (0, os.geteuid()):
        raise BadInput(
            f"{path}: belongs to user id {found.st_uid}; checks are code, and have to be root's or yours"
        )
    if found.st_mode & 0o022:
        raise BadInput(f"{path}: others may write it, and checks are code; chmod go-w {path}")


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _open_package(package: str, folder: Path) -> None:
    """Make the folder importable under a name of its own, so that no folder hides another or the library."""
    module = ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    sys.path_importer_cache[str(folder)] = FileFinder(str(folder), (_Source, [".py"]))


def _forget(package: str) -> None:
    """Take back what a folder declared before."""
    from checks.fact import FACTS

    registry.forget(_loaded.pop(package, []))
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    for name in [name for name, made in FACTS.items() if made.__module__.startswith(f"{package}.")]:
        del FACTS[name]


def _module(package: str, path: Path) -> list[Check]:
    try:
        with registry.declaring(str(path)) as declared:
            import_module(f"{package}.{path.stem}")
    except (Exception, SystemExit) as problem:  # the border: a user's code
        where, line = _place(problem, path)
        what = problem.msg if isinstance(problem, SyntaxError) else problem
        raise BadProfile(
            where, line, " ".join(f"{type(problem).__name__}: {what}".split())[:300]
        ) from problem
    unusable = [
        (told, made.function.__code__.co_firstlineno)
        for made in declared.checks
        if (told := registry.unusable(made))
    ]
    for told, line in [*((told, None) for told in declared.refused), *unusable]:
        registry.forget(declared.checks)
        raise BadProfile(str(path), line, told)
    return declared.checks


def _place(problem: BaseException, path: Path) -> tuple[str, int | None]:
    """The innermost line of the folder's own files that the problem came through."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return problem.filename, problem.lineno
    own = [
        frame
        for frame in traceback.extract_tb(problem.__traceback__)
        if Path(frame.filename).parent == path.parent
    ]
    return (own[-1].filename, own[-1].lineno) if own else (str(path), None)


def _text(path: Path) -> list[Check]:
    from checks.authoring.yamlcheck import load_check

    with registry.declaring(str(path)) as declared:
        written = load_check(path)
        registry.enter(written.check)
    if declared.refused:
        raise BadProfile(str(path), written.line, declared.refused[0])
    return declared.checks
