"""The model of a run as a folder that plain libraries load, with a card of its own."""
