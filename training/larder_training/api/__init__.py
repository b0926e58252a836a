"""The Python API: ``larder_training`` exports its public names."""
