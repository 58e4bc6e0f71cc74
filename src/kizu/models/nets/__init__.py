"""Networks of torch. Files here may load torch at the top; others import them inside functions."""
