"""Surfaces: what materials look like before light falls on them."""
