"""What other tools leave behind, read as it stands: one module per tool. Knows no model and no task of ours."""
