"""Models behind one door. Importing this package loads no model library; `loading.load` does."""
