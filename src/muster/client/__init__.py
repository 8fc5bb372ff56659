"""The pool: watch and pick for one name, whatever the transport.

members.py     Members: follows the snapshots of a name, and connects to those whom its pools want
pool.py        Pool: chooses among members, waits, says why there is nobody
turnstile.py   Turnstile: a pool with limits for the calls under way
lease.py       Lease: one instance for one piece of work, whose outcome it reports
connector.py   Connector: the protocol by which a transport opens connections to instances
"""
