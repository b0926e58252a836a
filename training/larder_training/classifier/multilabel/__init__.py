"""Classifiers with any number of labels for an image: one logistic regression for each label on shared features."""
