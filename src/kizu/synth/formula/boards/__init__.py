"""Bare printed circuit boards: what they are laid out of and how they look."""
