"""The first page of a diagnostic bundle."""
