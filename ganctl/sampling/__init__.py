"""From a trained generator to samples: draws, latent walks, and the files they are written to."""
