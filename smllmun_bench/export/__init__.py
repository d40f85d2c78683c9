"""A run leaves as a folder that plain libraries load, with a card of its own."""
