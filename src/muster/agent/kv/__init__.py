"""Keys with values, and the sessions that lock them.

pairs.py      the table of keys: pure data and rules
sessions.py   the table of sessions: pure data and rules
expiry.py     what time does to sessions: timers
"""
