"""Runs carried to the collector on a stick, and its answers carried back: the same bytes, another door."""
