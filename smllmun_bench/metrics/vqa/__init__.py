"""Scoring rules of general VQA sets: the official one, and a strict one beside it that never guesses."""
