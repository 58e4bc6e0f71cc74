"""Pictures that Kizu makes itself."""
