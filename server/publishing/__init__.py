"""What the collector publishes for sites: profiles, schedules and waivers, as events that are only added.

`events` takes and withdraws, `standing` says what is in force for a site, `outgoing` signs it for an agent,
`signing` keeps the keys apart, and `central` knows a run's plan again that came from a published profile.
"""
