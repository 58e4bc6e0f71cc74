"""Composed images: segments and defects put into pictures, with exact labels and plausible light."""
