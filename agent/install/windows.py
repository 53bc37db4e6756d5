"""A task of the Windows Task Scheduler that wakes the agent every five minutes.

The definition follows the Task Scheduler Schema, version 1.2 (MS-TSCH, section 2.5).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from agent.install.wanted import Wakeup
from checks.errors import FirstlightError

TASK: Final = "Firstlight"
NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"
LOCAL_SYSTEM: Final = "S-1-5-18"


def task_definition(wakeup: Wakeup) -> str:
    """The task as XML. It runs as the local system, or as the account that is named, without a window.

    One instance at a time; one that was missed starts when the machine is there again.
    """
    minute, second = divmod(wakeup.offset(300), 60)
    command, *words = wakeup.program
    arguments = subprocess.list2cmdline([*words, "agent", "--once", "--state", wakeup.state])
    account = (
        [f"<UserId>{escape(wakeup.user)}</UserId>", "<LogonType>S4U</LogonType>"]
        if wakeup.user
        else [f"<UserId>{LOCAL_SYSTEM}</UserId>", "<RunLevel>HighestAvailable</RunLevel>"]
    )
    lines = [
        '<?xml version="1.0"?>',
        f'<Task version="1.2" xmlns="{NAMESPACE}">',
        "  <RegistrationInfo>",
        "    <Author>firstlight install</Author>",
        "    <Description>Checks this machine when its schedules say so.</Description>",
        "  </RegistrationInfo>",
        "  <Triggers>",
        "    <TimeTrigger>",
        "      <Enabled>true</Enabled>",
        f"      <StartBoundary>2026-01-01T00:{minute:02d}:{second:02d}</StartBoundary>",
        "      <Repetition>",
        "        <Interval>PT5M</Interval>",
        "        <StopAtDurationEnd>false</StopAtDurationEnd>",
        "      </Repetition>",
        "    </TimeTrigger>",
        "  </Triggers>",
        "  <Principals>",
        '    <Principal id="Author">',
        *(f"      {line}" for line in account),
        "    </Principal>",
        "  </Principals>",
        "  <Settings>",
        "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
        "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
        "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
        "    <StartWhenAvailable>true</StartWhenAvailable>",
        "    <Enabled>true</Enabled>",
        "    <ExecutionTimeLimit>P2D</ExecutionTimeLimit>",
        "    <Priority>7</Priority>",
        "  </Settings>",
        '  <Actions Context="Author">',
        "    <Exec>",
        f"      <Command>{escape(command)}</Command>",
        f"      <Arguments>{escape(arguments)}</Arguments>",
        "    </Exec>",
        "  </Actions>",
        "</Task>",
    ]
    return "\n".join(lines) + "\n"


def create_task(wakeup: Wakeup) -> list[str]:
    """Put the task in place of any earlier one; says in lines what was done. Raises `FirstlightError`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.xml"
        file.write_text(task_definition(wakeup), encoding="utf-16")  # what schtasks takes everywhere
        _schtasks("/Create", "/TN", TASK, "/XML", str(file), "/F")
    return [f"made the task {TASK}; schtasks /Query /TN {TASK} shows it"]


def remove_task() -> list[str]:
    """Take the task away, where there is one."""
    try:
        _schtasks("/Query", "/TN", TASK)
    except FirstlightError:
        return []
    _schtasks("/Delete", "/TN", TASK, "/F")
    return [f"removed the task {TASK}"]


def _schtasks(*words: str) -> None:
    done = subprocess.run(["schtasks", *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise FirstlightError(f"schtasks {words[0]}: {said or 'failed without a word'}")
