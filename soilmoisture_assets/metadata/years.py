"""Lengths of the year, in days.

Belongs here: the two that are in use. They differ by 11 minutes; a season keeps the one it was defined with, because
whatever is learned from the day of the year would change with it.
"""

JULIAN_YEAR = 365.25
"""Seasons of the gap filling, the networks and the sandbox; yearly totals."""
GREGORIAN_YEAR = 365.2425
"""Seasons of the methods; mean amounts of the sandbox's climate."""
