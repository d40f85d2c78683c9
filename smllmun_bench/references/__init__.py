"""How base, target and gold are made: recipes, pretraining, alignment, memorising, and what models are joined from."""
