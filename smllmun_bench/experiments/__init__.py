"""What a command runs: runs, searches, regression, trials of metrics, planted models, checks of files and models."""
