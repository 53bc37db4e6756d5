"""Putting the standalone build on another machine over SSH, keeping it current there, taking it away.

`machines` are those that were named, `package` is what is carried, `far` a root shell over there, `scripts`
what it runs, `probe` what it found, `steps` the order of things, `tokens` where a one-time token comes from.
"""
