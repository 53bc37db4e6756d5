"""The deployable agent: reads facts from targets, spools signed runs and delivers them."""
