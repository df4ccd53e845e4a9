"""Dates and times as the console writes them: the year first, 24 hours, a time with its zone. Django's own for English
are those of the United States, where midnight is "12 a.m.".
"""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i:s T"
