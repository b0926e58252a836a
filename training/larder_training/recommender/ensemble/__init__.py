"""Which models a release combines, with which hyperparameters, and the fitted ensemble."""
