"""Pre-training: networks that learn from made pictures, before they see those of a product."""
