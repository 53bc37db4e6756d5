"""Putting the waking in place that this machine has (systemd, cron, Windows), and taking it away again.

What wakes only wakes: what is due is decided by `firstlight agent`, so that time zones, quiet hours and
missed runs mean the same everywhere.
"""

from __future__ import annotations

from agent.install.start import program as program
