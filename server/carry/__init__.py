"""Runs that came on a file: through the same door as over HTTP, and the answers into a file to carry back."""
