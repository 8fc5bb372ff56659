"""What is registered, as tables: pure data and rules, no I/O, no clock.

rows.py      NodeRow, ServiceRow, CheckRow: what the tables hold
tables.py    the three tables, and by what their rows are looked up
topics.py    what a reader can wait for
writing.py   what each write changes, and which topics it concerns
indexes.py   the index that each reader waits with
catalog.py   Catalog: what others read and write
views.py     rows as Consul's JSON
"""
