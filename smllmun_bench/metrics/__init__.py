"""Metrics: pure functions on strings and arrays. They know no model, no file and no task."""
