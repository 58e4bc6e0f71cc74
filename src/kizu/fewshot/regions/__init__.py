"""Regions of a picture that know no class, and how an outline is refined by them."""
