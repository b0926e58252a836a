"""Signatures of requests: AWS's Signature Version 4, and those of Alibaba Cloud. Pure functions."""
