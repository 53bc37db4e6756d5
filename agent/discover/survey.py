"""The kinds of things that discovery looks for, in the order in which a profile names them."""

from __future__ import annotations

from agent.discover.areas import (
    certificates,
    files,
    kernel,
    mounts,
    packages,
    ports,
    products,
    services,
    system,
    users,
)
from agent.discover.seen import Area

AREAS: tuple[Area, ...] = (
    products.AREA,
    services.AREA,
    ports.AREA,
    mounts.AREA,
    users.AREA,
    packages.AREA,
    certificates.AREA,
    files.AREA,
    kernel.AREA,
    system.AREA,
)
