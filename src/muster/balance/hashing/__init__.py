"""The same key, the same instance: for caches and sessions that live in one.

hashes.py      hashes on which all processes agree
bounded.py     when a node has so much more than its share that its keys spill over
table.py       Hashing: chooses by a table that is built in slices
ring.py        ring hash: moves the fewest keys, uneven
maglev.py      Maglev: even, moves a few keys more
rendezvous.py  highest random weight: even, moves the fewest keys, without a table, but looks at every node
"""
