"""Models: load, generate, score answers, hooks, mounted changes. Importing this loads no library; `loading` does."""
