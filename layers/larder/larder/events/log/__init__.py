"""The log of events in the store: parts as they arrive, one file a day after the compaction.

::

    logs/<model>/<kind>/<day>/<hash>.jsonl.gz   a part: the rows of one batch of the queue
    logs/<model>/<kind>/<day>.jsonl.gz          the day: what the compaction made of its parts

``<day>`` is the UTC day of the row's TIMESTAMP, so that a row that comes twice meets itself. A row is in the day's
file, or in parts, or for a moment in both; who reads both removes duplicates by id and misses none.
"""
