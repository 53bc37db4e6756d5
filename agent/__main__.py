"""`python -m agent`: the same as the console script `firstlight`."""

from agent.cli import console

console()
