"""The built-in checks: `area.thing` lives in the module `area`. The place to add a check."""
