"""Every table of the store, one file an area; importing this module declares them all."""

from server.tables.access import AgentKey, AgentRow, ApiToken, EnrolmentToken, Session, User
from server.tables.base import Base, Micros, metadata
from server.tables.decisions import AuditEntry, Decision
from server.tables.delivery import Assignment, Customer, Engineer, GoLive, Handover, Product, Project, Site
from server.tables.findings import Episode, EpisodeAlias, EpisodeShare, Finding, Transition
from server.tables.keys import ServerKey
from server.tables.publishing import AgentRules, Publication
from server.tables.runs import (
    AcceptedPlan,
    Binding,
    Document,
    Plan,
    Receipt,
    ReplacedRun,
    ReportedPlan,
    Scope,
    Store,
    TargetRow,
    TargetRun,
    TargetState,
)

__all__ = [
    "AcceptedPlan",
    "AgentKey",
    "AgentRow",
    "AgentRules",
    "ApiToken",
    "Assignment",
    "AuditEntry",
    "Base",
    "Binding",
    "Customer",
    "Decision",
    "Document",
    "Engineer",
    "EnrolmentToken",
    "Episode",
    "EpisodeAlias",
    "EpisodeShare",
    "Finding",
    "GoLive",
    "Handover",
    "Micros",
    "Plan",
    "Product",
    "Project",
    "Publication",
    "Receipt",
    "ReplacedRun",
    "ReportedPlan",
    "Scope",
    "ServerKey",
    "Session",
    "Site",
    "Store",
    "TargetRow",
    "TargetRun",
    "TargetState",
    "Transition",
    "User",
    "metadata",
]
