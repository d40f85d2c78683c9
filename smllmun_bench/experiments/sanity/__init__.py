"""Planted models: degenerate ones that everybody knows are bad, put through every composite. Who is fooled?"""
