"""What several methods do, or what one does in steps of its own; imports no method."""
