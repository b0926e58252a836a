"""What is known of a model's items by the events and recommendations of the last days, without a training."""

from larder.events.statistics.cache import KnownStatistics, StatisticsCache
from larder.events.statistics.document import EventStatistics, Shown, dump_statistics, parse_statistics
from larder.events.statistics.trending import trending
from larder.events.statistics.update import count_rows, counted, read_statistics

__all__ = [
    "EventStatistics",
    "KnownStatistics",
    "Shown",
    "StatisticsCache",
    "count_rows",
    "counted",
    "dump_statistics",
    "parse_statistics",
    "read_statistics",
    "trending",
]
