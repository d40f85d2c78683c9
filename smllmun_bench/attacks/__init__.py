"""Attacks on an unlearned model: attacked items, or an attacked model."""
