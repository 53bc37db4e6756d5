"""The deployable agent: reads facts from targets, spools signed runs and delivers them."""

from checks import __version__ as __version__
