"""Models behind one door. Importing this package loads no model library; `vlm.load` does."""
