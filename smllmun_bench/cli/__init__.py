"""One module per command: parses, calls the library, prints."""
