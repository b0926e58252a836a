"""The local gateway: what API Gateway and Lambda are on AWS, on one machine and without an account.

``template`` reads routes and functions, ``event`` translates HTTP to events and back, ``worker`` runs one handler
process with AWS's own runtime client against ``runtime_api``, ``pool`` scales a function's workers, ``server`` listens.

Not imitated: authorisation, throttling and CORS of the API, the functions' memory limits, and that API Gateway cuts a
path at an encoded question mark.
"""
