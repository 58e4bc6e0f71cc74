"""Formula images: scenes of parts, surfaces and defects drawn from equations and chance alone, with exact labels."""
