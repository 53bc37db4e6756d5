"""Scheduled runs: which there are (`known`), what became of the last (`record`), one run under its lock and
limits (`running`), whatever is due now (`once`), and the loop that waits for it (`loop`).

When something is due is said by `checks.schedules`.
"""
