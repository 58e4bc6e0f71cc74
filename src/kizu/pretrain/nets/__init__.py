"""What trains: the loop and its tasks. These files load torch; others import them inside functions."""
