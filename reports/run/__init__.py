"""Reports of one run: for a terminal, as one HTML file, and as JSON for other programs."""
