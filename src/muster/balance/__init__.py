"""Choosing an instance: which ones may be called, and which of them is next. No I/O and no await in this folder.

fleet.py            Fleet: snapshots, verdicts and outcomes in; the standing of each instance, known once for all
balancer.py         Balancer: nodes of a fleet out, those that a selector wants; what a pool is made of
balancing.py        Balancing: how a client chooses, in numbers
nodes.py            Node: an instance and what this client knows of it; Nodes: carried over from snapshot to snapshot
selector.py         Selector: which instances a caller wants; version.py: what its versions mean
subset.py           Subset: the part of a large set that a client uses
eligible.py         which nodes may be called, who helps out when they are few, and why the others may not
outlier.py          who is left out on evidence of its calls (pure); ejecting.py: until when
slow_start.py       newcomers' part of their weight
explanation.py      why each instance is called or not, as data
policy.py           Picker: the protocol of every policy; named.py: policies by name
load/               how loaded a node is
two_choices.py      the less loaded of two: least request, peak EWMA
round_robin.py      each in turn
weighted_random.py  by lot
zone_aware.py       the own zone first
hashing/            the same key, the same instance
"""
