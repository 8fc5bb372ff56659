"""One way to change what the agent holds: a write spans all tables, and can be taken back or written down.

write.py     Write: changed rows, their index, and whom they concern; Table: what can take part
tables.py    Tables: all tables of an agent, and the sequence of indexes that they share
rows.py      Rows: the plainest table, rows by key
coding.py    rows as bytes
file.py      the file on disk
journal.py   the way there: a thread, and many writes at a time
snapshot.py  everything in one file to keep elsewhere

How a further table joins in:

1. Its rows are frozen dataclasses that msgspec can write and read, changed by putting another in their place. Rows on
   disk outlive the program: a field that is added needs a default, and one that is there keeps its meaning.
2. It has a `name` (which goes into files: never change it), the type of its `row`s, and two methods: `rows()`, and
   `place(key, row)`, which stores a row as it is, index stamps included, or with None removes it. Where rows are looked
   up by key alone, `Rows` is that table. Nothing else may change its rows, and `place` must bring all that is derived
   from them up to date: it also takes back what failed and restores what was saved.
3. It is made known once, with `tables.join(concluded, table)`, and is then kept and saved like all others.
   `concluded(write)` is called after each write that changed it and moved the index: there, and not before, indexes
   that readers wait with are moved, to `write.index`; where `write.everything` is set, all of them.
4. It is changed within `with tables.write() as write`, by `write.put(table, key, row)` and `write.topics.add(...)`;
   rows are stamped with `write.index`. A write without topics moves no index. When the block ends the readers
   concerned are woken; if it raises, all is taken back.
"""
