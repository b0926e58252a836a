"""Classification heads on fixed features, and the search for their hyperparameters."""
