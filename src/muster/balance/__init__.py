"""Choosing an instance: which ones may be called, and which of them is next. No I/O and no await in this folder.

nodes.py        Node: an instance and what this client knows of it; Nodes: carried over from snapshot to snapshot
eligible.py     which nodes may be called, and why the others may not
policy.py       Picker: the protocol of every policy
round_robin.py  RoundRobin: each in turn
"""
