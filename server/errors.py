"""How the collector refuses; the API turns each into a problem document, a command into one line.

BadInput            what was asked is wrong                       → 400, exit 2
├─ NotFound         it names something that does not exist        → 404
├─ Forbidden        this person or machine may not do it          → 403
└─ Refused          it contradicts what the store already holds   → 409
"""

from __future__ import annotations

from checks.errors import BadInput


class NotFound(BadInput):
    """Something was named that the store does not hold."""


class Forbidden(BadInput):
    """Whoever asks may not do this, whatever the data."""


class Refused(BadInput):
    """What was asked contradicts what the store holds; the text names the contradiction."""
