"""The collector's own keys: agents pin the public halves when they enrol."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class ServerKey(Base):
    """A key pair: ``sign`` (Ed25519) for what the collector publishes, ``seal`` (X25519) for files that only
    it may open. Raw 32 bytes each. The newest of a purpose that is not retired is in use.
    """

    __tablename__ = "server_key"
    __table_args__ = (CheckConstraint("purpose IN ('sign', 'seal')", name="purpose"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    public: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    private: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
