"""Folders found by the hash of what made them: hashing, locks, overlays, what a stage leaves behind."""
