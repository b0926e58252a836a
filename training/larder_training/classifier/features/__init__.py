"""Feature extraction: backbones, augmented views and the feature cache."""
