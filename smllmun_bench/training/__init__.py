"""One loop, pure losses, streams of examples."""
