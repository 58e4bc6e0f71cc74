"""Networks of torch that few-shot inspectors run. These files load torch; others import them inside functions."""
