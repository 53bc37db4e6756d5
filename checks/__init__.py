"""Ground floor: the words of Firstlight, the facts, the check library and the pure evaluation.

Nothing here talks to a collector, renders a report or knows a database.
"""

__version__ = "0.1.0"
