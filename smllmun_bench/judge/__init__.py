"""Scores that another model gives: the paper's Fact and Meaningful scores, from any judge, failures counted."""
