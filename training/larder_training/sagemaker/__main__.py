"""Entry point of the training container: ``python -m larder_training.sagemaker [train]``.

SageMaker appends ``train``; version 3 of its SDK appends nothing. ``SAGEMAKER_BASE_DIR`` is the folder in place of
``/opt/ml``, as for SageMaker's own training toolkit.
"""

import os
import sys
from pathlib import Path

from larder_training.sagemaker.job import run
from larder_training.sagemaker.job_folder import JobFolder

if __name__ == "__main__":
    sys.exit(run(JobFolder(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))), sys.argv[1:]))
