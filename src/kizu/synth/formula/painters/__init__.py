"""Painters: one module a kind of scene. Each draws picture (seed, index) of a preset: ``names`` and ``paint``."""
