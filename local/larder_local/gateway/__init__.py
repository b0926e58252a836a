"""The local gateway: runs what API Gateway and Lambda run on AWS, on one machine and without an account.

``template`` reads routes and functions, ``event`` translates HTTP to events and back, ``worker`` runs one handler
process with AWS's own runtime client against ``runtime_api``, ``pool`` scales the workers of a function, and ``server``
listens.

Not implemented: authorisation, throttling and CORS of the API, memory limits of the functions, and that API Gateway
cuts a path at an encoded question mark.
"""
