"""Amazon SageMaker: InvokeEndpoint of its runtime, and the contract of an inference container.

Every name and bound is that of botocore's model of the service (``sagemaker-runtime/2017-05-13``).
"""
