"""From scores to decisions: tiles, regions, thresholds, and runs over whole data sets."""
