"""Light from an image generator: only its low frequencies are used, so that nothing but the light can change."""
