"""Defects and distractors: what they do to a surface, one function a type."""
