"""A small made-up vendor with two years of history, for looking around; nothing in it is real.

Its machines are simulated, but everything else is the real thing: the shipped ``app-server`` profile judges
their readings, the runs are signed, and they come in through the same door as every other.
"""

from server.example.build import Summary, build

__all__ = ["Summary", "build"]
