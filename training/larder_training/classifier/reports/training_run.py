"""What the report and the manifest of a training describe."""

from collections.abc import Mapping
from dataclasses import dataclass

from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation.ood_holdout import HeldOutClasses
from larder_training.classifier.fitting.export import ExportedClassifier
from larder_training.classifier.fitting.warm_start import ParentRelease
from larder_training.classifier.selection.backbone_choice import BackboneChoice
from larder_training.classifier.selection.layer_search import LayerChoice
from larder_training.classifier.selection.learning_curve import LearningCurve
from larder_training.classifier.selection.side_ablation import FusionChoice


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The results of all steps of a training.

    Attributes:
        context: Options and progress.
        audit: The findings of the audit, with the scan of the data.
        split: The images by part.
        backbone: The backbone or the built-in features, and how they were chosen.
        layers: The features, and how they were chosen.
        fusion: The head with its training set, and how side information was chosen.
        exported: The graph with its predictions.
        curve: The learning curve; None if a class is too small for one.
        held_out_classes: OOD scores of classes left out in turn; None with too few classes or images.
        parent: The release that the training started from, if any.
        left_out: The columns of the list that are not side information, with the reason.
    """

    context: ClassifierContext
    audit: ImageAudit
    split: DatasetSplit
    backbone: BackboneChoice
    layers: LayerChoice
    fusion: FusionChoice
    exported: ExportedClassifier
    curve: LearningCurve | None
    held_out_classes: HeldOutClasses | None
    parent: ParentRelease | None
    left_out: Mapping[str, str]

    @property
    def options(self) -> ClassifierOptions:
        """The options of the training."""
        return self.context.options
