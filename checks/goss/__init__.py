"""Goss files run as they are: read, their templates filled, each resource laid onto checks of our own.

`loading` reads and includes, `template` fills. `resources` and `resources_network` say what each attribute
is in our words, `conditions`, `re2` and `semver` do so for matchers; `mapping` makes items of them, and of
what cannot be said. `suite` is the whole as a profile.
"""
