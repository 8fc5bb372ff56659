"""The nouns: frozen data, numbers and the errors, standard library only, no I/O, no async.

instance.py    Instance: one running copy of a service; Health
check.py       Check: how health is found out; CheckState: what was found
service.py     Registration: what is written to a registry; the rules for names
endpoint.py    Endpoint: one callable, by its full wire path or a short name
snapshot.py    Snapshot: Pending | Known | Stale | Absent
outcome.py     Outcome: how one attempt of a call ended
backoff.py     Backoff: how long to wait before asking again
events.py      Event: what happened, told to an Observer
typed.py       whether settings hold what their annotations say
errors.py      MusterError and its kinds, by who must act
"""
