"""Stages, the store that keeps them, and the run that strings them together."""
