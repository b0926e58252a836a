"""Amazon Personalize: campaigns and recommenders are models, and solution versions are releases.

Every name and bound is that of botocore's models of the services (``personalize-runtime/2018-05-22``,
``personalize-events/2018-03-22`` and ``personalize/2018-05-22``).
"""
