"""Defects that are made on a clean picture: generators, each in a file of its own."""
