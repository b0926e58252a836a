"""Whether the images that a classifier answers are still like those that it was trained on."""
