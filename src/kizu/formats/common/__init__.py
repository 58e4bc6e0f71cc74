"""What the formats share: records and their faults, file trees, output folders, pixel outlines."""
