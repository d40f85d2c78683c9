"""Published unlearning benchmarks: one adapter each, from its files to items."""
