"""Checks of running Java programs."""

from __future__ import annotations

from collections.abc import Iterator

from checks.facts.jvm import JavaOptions, JavaPrograms, Jvm
from checks.facts.system import Memory, MemoryUse
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, size_text
from checks.verdicts import error, msg, passed, skip, warn


@check(
    "jvm.opts",
    severity=Severity.P2,
    about="program",
    owner="vendor",
    each=("program", JavaPrograms()),
    running=JavaOptions("{program}"),
    memory=Memory(),
)
def java_options(
    running: tuple[Jvm, ...],
    memory: MemoryUse,
    program: str,
    version: Matcher | None = None,
    heap_at_most: Percent = 50,
    fixed_heap: bool = True,
    heap_dump: bool = True,
) -> Verdict:
    """A Java program has the version and the memory it needs.

    `program` is its main class, module or archive, without the version in an archive's name
    (``erp-4.2.jar`` is ``erp.jar``); without it every Java program that runs is judged. Its heap begins as
    large as it may get (`fixed_heap`: -Xms = -Xmx), takes at most `heap_at_most` of the memory there is (the
    machine's, or what its control group allows), and when memory runs out a dump is written to a folder that
    is there and has room for it (`heap_dump`). All of these warn. Options in JAVA_TOOL_OPTIONS and
    JDK_JAVA_OPTIONS are not seen, because a process's environment holds its secrets; those of ``@files`` are.

    Remedy: where the program is started (its unit, `setenv.sh`, `jvm.options`) set the same size for -Xms and
    -Xmx, at most half of the memory, and `-XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath=<folder>`; then
    restart it and look with `jcmd <pid> VM.flags`.
    Source: our judgement; that the heap is fixed is a bootstrap check of Elasticsearch, half of the memory
    its advice.
    """
    if not running:
        return skip("no such Java program is running", cause="absent")
    pages = [
        (jvm, list(_wrong(jvm, memory, version, heap_at_most, fixed_heap, heap_dump))) for jvm in running
    ]
    jvm, wrong = max(pages, key=lambda page: len(page[1]))
    evidence = _evidence(jvm, len(running))
    if jvm.unread and not jvm.heap.most:
        said = msg("its options could not all be read: {unread}", unread=", ".join(jvm.unread)[:200])
        return error(said, cause="unread", evidence=evidence)
    if version is not None and not jvm.version:
        return error("its version could not be read", cause="version", evidence=evidence)
    if not wrong:
        return passed(
            msg("Java {version}, heap {heap}", version=jvm.version or "?", heap=_heap(jvm)), evidence=evidence
        )
    template = "; ".join(said.template for _, said in wrong)
    args = {name: value for _, said in wrong for name, value in said.args.items()}
    return warn(Message(template, args), cause=wrong[0][0], evidence=evidence)


def _wrong(
    jvm: Jvm, memory: MemoryUse, version: Matcher | None, most: float, fixed: bool, dump: bool
) -> Iterator[tuple[str, Message]]:
    """What is not as it should be, with its cause."""
    heap = jvm.heap
    if version is not None and jvm.version and not version.holds(jvm.version):
        said = "Java is {version}, wanted: {wanted_version}"
        yield "version", msg(said, version=jvm.version, wanted_version=str(version))
    there = min(memory.total, jvm.memory_limit or memory.total)
    share = heap.most_percent
    if heap.most is not None and there:
        share = 100 * heap.most / there
    if share is None:
        yield "unset", msg("no largest heap is set (-Xmx), so Java takes a quarter of the memory it sees")
    elif share > most:
        yield (
            "large",
            msg("the heap may take {share} % of the memory; {most} % are advised", share=share, most=most),
        )
    if fixed and share is not None and not _is_fixed(jvm):
        yield "unequal", msg("it begins smaller than it may get: -Xms and -Xmx differ")
    if dump and not heap.dumps:
        yield "no-dump", msg("no heap dump is written when memory runs out")
    elif dump and jvm.dump is not None:
        place = jvm.dump
        if place.unread:
            yield (
                "dump-unread",
                msg("whether a heap dump has room in {folder} could not be read", folder=place.folder),
            )
        elif not place.exists:
            yield "dump-path", msg("the folder for heap dumps is not there: {folder}", folder=place.folder)
        elif heap.most is not None and place.available < heap.most:
            room = size_text(place.available)
            yield (
                "dump-room",
                msg("a heap dump does not fit: {room} left in {folder}", room=room, folder=place.folder),
            )


def _is_fixed(jvm: Jvm) -> bool:
    heap = jvm.heap
    if heap.most is not None:
        return heap.least == heap.most
    return heap.least_percent is not None and heap.least_percent == heap.most_percent


def _heap(jvm: Jvm) -> str:
    heap = jvm.heap
    if heap.most is not None:
        return size_text(heap.most)
    return (
        "a quarter of the memory" if heap.most_percent is None else f"{heap.most_percent:g} % of the memory"
    )


def _evidence(jvm: Jvm, count: int) -> dict[str, Scalar]:
    heap = jvm.heap
    found: dict[str, Scalar] = {
        "version": jvm.version,
        "processes": count,
        "pid": jvm.pid,
        "heap": _heap(jvm),
    }
    if heap.least is not None:
        found["heap_at_first"] = size_text(heap.least)
    if jvm.memory_limit is not None:
        found["memory_limit"] = size_text(jvm.memory_limit)
    return found
