"""Referring expressions: sentences that name things on a picture, and are true of it."""
