"""What the collector publishes for this site, as far as this agent believes and follows it.

`intake` is the only door, over the network (`fetching`) and from a stick; `held` is what came through it.
`central` makes plans of published profiles, `consent` and `approvals` say what of them this site allows,
`usable` keeps the versions that it allowed, and `waivers` says which failures it bears.
"""
