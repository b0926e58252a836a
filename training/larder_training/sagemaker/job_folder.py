"""The folder ``/opt/ml`` of a training job: where SageMaker puts the input, and from where it takes the output.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from larder.errors import InvalidRequest

FAILURE_LENGTH: Final = 1024  # characters of the file ``failure`` that DescribeTrainingJob returns


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The paths below the root of a training job.

    Attributes:
        root: ``/opt/ml``, or another folder of the same layout.
    """

    root: Path

    @property
    def data(self) -> Path:
        """The folder of the channels."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """What SageMaker packs into ``model.tar.gz``."""
        return self.root / "model"

    @property
    def checkpoints(self) -> Path:
        """What SageMaker copies to S3 while the job runs, and back when it starts again."""
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        """The file with the reason of a failure."""
        return self.root / "output" / "failure"

    def hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters; SageMaker writes each value as a text. Raises InvalidRequest."""
        return self._config("hyperparameters")

    def channels(self) -> dict[str, Path]:
        """The folder of each channel. Raises InvalidRequest for one in pipe mode, or that was not mounted."""
        folders = {}
        for name, about in self._config("inputdataconfig").items():
            mode = about.get("TrainingInputMode", "File") if isinstance(about, Mapping) else "File"
            if mode == "Pipe":
                raise InvalidRequest(
                    f"Channel {name!r} has the input mode 'Pipe', but files are read more than once: choose 'File' or "
                    "'FastFile'."
                )
            if not (self.data / name).is_dir():
                raise InvalidRequest(f"Channel {name!r} has no folder {self.data / name}: mount its data there.")
            folders[name] = self.data / name
        return folders

    def hosts(self) -> list[str]:
        """The names of the job's hosts; a job without ``resourceconfig.json`` has one. Raises InvalidRequest."""
        if not (self.root / "input/config/resourceconfig.json").exists():
            return ["localhost"]
        return sorted(map(str, self._config("resourceconfig").get("hosts", ["localhost"])))

    def fail(self, reason: str) -> None:
        """Writes the reason of a failure, which SageMaker shows as the job's FailureReason."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        short = reason if len(reason) <= FAILURE_LENGTH else f"{reason[: FAILURE_LENGTH - 1]}…"
        self.failure.write_text(short, encoding="utf-8")

    def _config(self, name: str) -> Mapping[str, Any]:
        path = self.root / "input" / "config" / f"{name}.json"
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"{path} cannot be read ({error}): give a JSON object.") from error
        if not isinstance(document, Mapping):
            raise InvalidRequest(f"{path} is not a JSON object: give one.")
        return document
