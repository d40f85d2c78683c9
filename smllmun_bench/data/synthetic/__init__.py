"""S-MLLMUn Bench, reconstructed: invented people, their drawn pictures, questions about them."""
