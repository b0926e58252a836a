"""The Open Inference Protocol, version 2, as clients of Triton, KServe and MLServer speak it over HTTP.

Besides the protocol itself, Triton's extensions for binary tensors, classification, model configuration, statistics and
the model repository are answered. The versions of a model are its releases.
"""
