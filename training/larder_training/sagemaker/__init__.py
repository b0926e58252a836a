"""Trains as a SageMaker training job does: by the files below ``/opt/ml``, in a container or as a process."""
