"""The facts, one module an area, and the machine they read through (`host`)."""
