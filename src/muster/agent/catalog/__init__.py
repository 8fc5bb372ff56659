"""What is registered, as tables: pure data and rules, no I/O, no clock.

rows.py      NodeRow, ServiceRow, CheckRow: what the tables hold
sequence.py  Sequence: the indexes that all tables share
topics.py    what a reader can wait for
catalog.py   Catalog: the tables, their indexes, and which topics each write concerns
views.py     rows as Consul's JSON
"""
