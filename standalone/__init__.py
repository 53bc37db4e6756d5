"""How the standalone build is made: one folder that runs on a Linux host without Python.

`build` is the way in (``make dist``). Nothing here is part of what is built, but for `start`.
"""
