"""What can be typed after `firstlight`: each command's module is imported only when it is."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("agent.commands.check:command", "Check this machine, show what to do, deliver the run."),
    "plan": ("agent.commands.plan:command", "Print what a check would read, and read nothing."),
    "discover": ("agent.commands.discover:command", "Write a profile of what a healthy machine is."),
    "trust": ("agent.commands.trust:command", "Show a host's SSH key, and trust it."),
    "diff": ("agent.commands.diff:command", "What changed between two runs."),
    "baseline": ("agent.commands.baseline:command", "Accept a run as the agreed state; show it, clear it."),
    "answer": ("agent.commands.answer:command", "Answer what only a person can tell."),
    "checks": ("agent.commands.checks:command", "The checks there are: list, show ID."),
    "new-check": ("agent.commands.new_check:command", "Write a new check with its tests."),
    "test-checks": ("agent.commands.test_checks:command", "Run the tests of the checks in a folder."),
    "convert": ("agent.commands.convert:command", "Write a goss file down as a profile."),
    "approve": ("agent.commands.approve:command", "Show what the collector wants checked, and allow it."),
    "enrol": ("agent.commands.enrol:command", "Make this machine known to a collector."),
    "send": ("agent.commands.send:command", "Deliver the runs that wait in the spool."),
    "export": ("agent.commands.export:command", "Write the runs that wait into a file to carry."),
    "import": ("agent.commands.import_:command", "Take in a collector's receipts from a file."),
    "spool": ("agent.commands.spool:command", "What waits to be delivered: list, show, retry."),
    "unmask": ("agent.commands.unmask:command", "Put masked names back into a report, at the site."),
    "show-upload": ("agent.commands.show_upload:command", "Print, byte for byte, what a run uploads."),
    "install": ("agent.commands.install:command", "Check this machine every so often."),
    "agent": ("agent.commands.agent:command", "Stay, and check when it is time."),
    "deploy": ("agent.commands.deploy:command", "Put the agent on other machines, over SSH."),
    "identity": ("agent.commands.identity:command", "Show who this agent is; rotate its key."),
    "bundle": ("agent.commands.bundle:command", "Pack readings, logs and runs for an engineer."),
    "doctor": ("agent.commands.doctor:command", "See whether this agent itself is in order."),
    "server": ("server.commands:group", "The collector: init, run, token, user, demo."),
}
"""Name → where the command is, and its line in the overview."""

EXTRAS: dict[str, str] = {"server": "server"}
"""Commands that need an extra of the package."""


def overview() -> str:
    """What `firstlight --help` prints. It needs no library, so that it can be instant."""
    import sys

    here = {name: line for name, (_, line) in COMMANDS.items()}
    if getattr(sys, "frozen", False):  # the standalone build is the agent alone
        here = {name: line for name, line in here.items() if name not in EXTRAS}
    width = max(map(len, here))
    lines = [f"  {name:<{width}}  {line}" for name, line in here.items()]
    return "\n".join(
        [
            "Usage: firstlight [--version [-v]] [--help] COMMAND [OPTIONS]",
            "",
            "Checks whether a deployment is sound, and reports it to a collector.",
            "Start with: firstlight check",
            "",
            "Commands:",
            *lines,
            "",
            "firstlight COMMAND --help describes a command.",
            "",
            "Exit codes, the first that applies: 2 the input is wrong · 1 findings at or above --fail-on ·",
            "3 something could not be checked or stored · 4 the collector refused · 0 fine.",
        ]
    )
