"""(items, predictions) -> scores -> summary, and how sure it is: columns, items, uncertainty. No files, no torch."""
