"""Where items and their images come from: one adapter per source, and the synthetic S-MLLMUn generator."""
