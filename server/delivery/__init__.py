"""Who delivers what to whom, and what a site is held to: the deeds of the API, the demo and the tests.

Every function takes a session inside a write transaction, who acts (`by`, a login) and the present moment
(`now`), refuses with one clear line (`server.errors`), and leaves an audit line.
"""

from server.delivery.assignments import assign, end_assignment, record_handover
from server.delivery.bindings import accept_plan, bind, end_binding, proposals
from server.delivery.enrolment import enrol, issue_enrolment_token, revoke_agent
from server.delivery.golives import end_go_live, record_cutover, record_go_live
from server.delivery.master import add_customer, add_engineer, add_product, add_project, add_site
from server.delivery.rotation import rotate_key

__all__ = [
    "accept_plan",
    "add_customer",
    "add_engineer",
    "add_product",
    "add_project",
    "add_site",
    "assign",
    "bind",
    "end_assignment",
    "end_binding",
    "end_go_live",
    "enrol",
    "issue_enrolment_token",
    "proposals",
    "record_cutover",
    "record_go_live",
    "record_handover",
    "revoke_agent",
    "rotate_key",
]
