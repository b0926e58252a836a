"""The local gateway: what API Gateway and Lambda are on AWS, on one machine and without an account.

``template`` reads routes and functions, ``event`` translates HTTP to events and back, ``worker`` runs one handler
process with AWS's own runtime client against ``runtime_api``, ``pool`` scales a function's workers, ``server`` listens.
"""
