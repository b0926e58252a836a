"""The section on the images of a report, and the counts of the manifest, for one label and for any number."""

from dataclasses import replace
from pathlib import Path

from tests.toys.reports import parse

from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.multilabel.split import split_images
from larder_training.classifier.reports.data_section import data_section
from larder_training.classifier.reports.manifest_sections import data
from larder_training.reporting.html import render
from larder_training.reporting.title import TitleBlock

NOTE = "Read as UTF-16, because of its byte order mark"


def image(number: int, labels: tuple[str, ...]) -> LabelledImage:
    return LabelledImage(Path(f"{number}.png"), f"{number}.png", "|".join(labels), label_set=labels)


def several() -> tuple[DatasetScan, DatasetSplit]:
    """Of 30 images, 15 are red, 10 are round and 10 have no label."""
    labels = [(*(("red",) if n % 2 else ()), *(("round",) if n % 3 == 0 else ())) for n in range(30)]
    samples = tuple(Sample(image(n, found), f"{n:064x}", n) for n, found in enumerate(labels))
    scan = DatasetScan(samples, ((image(30, ()), "It is empty."),), (), (image(31, ("red",)),), notes=(NOTE,))
    return scan, split_images(scan, validation=0.2, test=0.2, seed=0)


def text_of(scan: DatasetScan, split: DatasetSplit, *, multi_label: bool) -> str:
    title = TitleBlock("t", "t", "t", "t", {}, [])
    texts = parse(render(title, [data_section(scan, split, multi_label=multi_label)])).texts
    return " ".join(" ".join(texts).split())  # a term is an element of its own


def test_a_report_of_several_labels_says_how_the_data_were_read_and_split() -> None:
    text = text_of(*several(), multi_label=True)
    assert f"{NOTE}." in text
    assert "split by iterative stratification over the labels, near-duplicates together" in text
    assert "It is empty." in text
    assert "A copy of this file has other labels. Decide which are right." in text
    assert "No label" in text


def test_a_report_of_one_label_says_the_same_of_its_classes() -> None:
    scan, _ = several()
    samples = tuple(
        Sample(LabelledImage(Path(s.image.name), s.image.name, "a"), s.digest, s.group) for s in scan.samples
    )
    split = DatasetSplit(("a",), {"train": samples[:20], "validation": samples[20:25], "test": samples[25:]}, (), False)
    text = text_of(replace(scan, samples=samples), split, multi_label=False)
    assert f"{NOTE}." in text
    assert "split at random by class, near-duplicates together" in text
    assert "has another label. Decide which is right." in text
    assert "No label" not in text


def test_the_manifest_counts_each_label_of_an_image_and_keeps_the_notes() -> None:
    scan, split = several()
    found = data(ImageAudit(scan, (), (), (), 0), split)
    assert found["notes"] == [NOTE]
    parts = found["parts"]
    assert isinstance(parts, dict)
    assert {label: sum(parts[part][label] for part in parts) for label in ("red", "round")} == {"red": 15, "round": 10}
    assert (found["photos"], found["bad"], found["conflicting"]) == (30, 1, 1)


def test_a_cut_part_is_cut_by_the_method_of_the_split() -> None:
    _, split = several()
    stated = replace(split, stated=True, cut=("test",))
    assert "test cut from train by iterative stratification over the labels where missing" in stated.describe()
