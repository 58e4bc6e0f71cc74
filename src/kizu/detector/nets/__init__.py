"""What trains a detector: augmentation and the task. These files load torch; others import them inside functions."""
