"""Run folders on disk, written and read: predictions, scored items, leaderboard, compare. Loads no model."""
