"""The pool: watch and pick for one name, whatever the transport.

pool.py        Pool: follows the snapshots of a name, chooses, waits, says why there is nobody
turnstile.py   Turnstile: a pool with limits for the calls under way
lease.py       Lease: one instance for one piece of work, whose outcome it reports
connector.py   Connector: the protocol by which a transport opens connections to instances
"""
