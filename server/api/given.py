"""What the application hands to handlers, by name."""

from __future__ import annotations

from litestar.di import NamedDependency

from server.auth.account import Account
from server.auth.throttle import Throttle
from server.clock import Clock
from server.db import Database
from server.settings import Settings

GivenDb = NamedDependency[Database]
GivenClock = NamedDependency[Clock]
GivenSettings = NamedDependency[Settings]
GivenThrottle = NamedDependency[Throttle]
GivenUser = NamedDependency[Account]
