"""Config entries: what Consul's service mesh is told of services, kept and given back.

shape.py    what a value has to look like, and reading one as leniently as Consul does
kinds.py    the kinds of entries, what each looks like, and the rules that it must keep
entries.py  the table of entries
"""
