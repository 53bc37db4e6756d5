"""When a schedule's runs are due. Pure: from an entry, a moment and a machine to a moment.

`timing` says it, with the hours of `quiet` and the time zones of `zones`. What has run and what runs is the
agent's business.
"""
