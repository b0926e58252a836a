"""What a training reads, from the channels of a job.

A classifier reads ``train``, and optionally ``validation`` and ``test``, the parts of the split. A recommender reads
``interactions``, and optionally ``items`` and ``users``. ``training``, the name that SageMaker's SDK gives to a single
channel, stands for the first of them. Both read ``model``, an earlier release, and a classifier ``backbone``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from larder.errors import InvalidRequest
from larder.jobs.channels import ANY_MAIN, MAIN, OTHERS
from larder.release.archive import ARCHIVE, unpack
from larder.release.keys import MANIFEST
from larder.release.manifest import Kind


def inputs(kind: Kind, channels: Mapping[str, Path], list_name: str | None, scratch: Path) -> dict[str, Any]:
    """The arguments of ``train_classifier`` or ``train_recommender`` for the data of a job.

    Args:
        kind: Of the model.
        channels: The folder of each channel.
        list_name: The path of a classifier's list of images below the main channel; None: the folder itself.
        scratch: A folder for what has to be put together or unpacked, which must outlive the training.

    Raises:
        InvalidRequest: A channel is unknown or missing, or its content has another form.
    """
    main = _main(kind, channels)
    known = (MAIN[kind], *OTHERS[kind])
    if unknown := [name for name in channels if name not in (*known, ANY_MAIN)]:
        raise InvalidRequest(f"Channel {unknown[0]!r} is unknown: a {kind} reads {', '.join(known)}.")
    earlier = _release(channels["model"], scratch) if "model" in channels else None
    if kind == "recommender":
        metadata = {name: channels[name] for name in ("items", "users") if name in channels}
        return {"interactions": main, **metadata, **({"compare_with": earlier} if earlier else {})}
    backbone = {"backbone": _backbone(channels["backbone"])} if "backbone" in channels else {}
    return {
        "images": _images(main, channels, list_name, scratch),
        **backbone,
        **({"parent": earlier} if earlier else {}),
    }


def _main(kind: Kind, channels: Mapping[str, Path]) -> Path:
    names = (MAIN[kind], ANY_MAIN)
    given = [channels[name] for name in names if name in channels]
    if len(given) != 1:
        number = "none" if not given else "both"
        raise InvalidRequest(f"A {kind} reads the channel {names[0]!r}, or {names[1]!r}: there is {number} of them.")
    return given[0]


def _images(main: Path, channels: Mapping[str, Path], list_name: str | None, scratch: Path) -> Path:
    parts = {name: channels[name] for name in ("validation", "test") if name in channels}
    if list_name is not None:
        if parts:
            raise InvalidRequest(
                f"Hyperparameter 'list' is {list_name!r}, and there is a channel {next(iter(parts))!r}: state the "
                "parts in the list's column split, or omit the list."
            )
        path = main / list_name
        if not path.resolve().is_relative_to(main.resolve()) or not path.is_file():
            raise InvalidRequest(f"Hyperparameter 'list' is {list_name!r}: give the path of a file in {main.name!r}.")
        return path
    if not parts:
        return main
    folder = scratch / "images"  # the parts of a split are folders in one folder
    folder.mkdir()
    for name, path in {"train": main, **parts}.items():
        (folder / name).symlink_to(path.resolve(), target_is_directory=True)
    return folder


def _backbone(folder: Path) -> Path:
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        raise InvalidRequest(f"Channel 'backbone' has {len(found)} ONNX files: give one file, such as network.onnx.")
    return found[0]


def _release(folder: Path, scratch: Path) -> Path:
    """The release in a channel: its files, or ``model.tar.gz`` of an earlier job."""
    if (folder / MANIFEST).is_file():
        return folder
    archive = folder / ARCHIVE
    if not archive.is_file():
        raise InvalidRequest(f"Channel 'model' has neither {MANIFEST} nor {ARCHIVE}: give the output of a training.")
    return unpack(archive, scratch / "release")
