"""General visual question answering: one adapter for each published set, in the layout of the hub's copies."""
