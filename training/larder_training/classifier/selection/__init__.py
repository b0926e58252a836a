"""Model selection by cross-validation: augmentation, layers, side columns, and the learning curve."""
