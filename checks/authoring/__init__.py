"""Checks that come from elsewhere: found, written in YAML, begun, and tested where they lie."""
