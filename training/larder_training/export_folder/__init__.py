"""A classifier's release as a folder that runs without Larder."""

from larder_training.export_folder.write import TARGETS, Target, export_folder

__all__ = ["TARGETS", "Target", "export_folder"]
