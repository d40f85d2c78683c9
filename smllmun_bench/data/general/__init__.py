"""What everybody can be asked: general visual questions, and everyday language."""
