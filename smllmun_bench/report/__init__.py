"""What people see: console, tables, the leaderboard. Makes text and tables; the caller writes files."""
