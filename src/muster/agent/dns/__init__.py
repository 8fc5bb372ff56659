"""Consul's DNS interface: questions about services, nodes, prepared queries and addresses.

settings.py   DNS: where to answer, and how
question.py   Question, and what of the registry its name asks for
records.py    what an answer consists of
zone.py       the heart: a question, the registry and chance in, an answer out; pure
instances.py  the records that tell of instances
reverse.py    names of addresses
fitting.py    which part of an answer goes into a message of limited size
message.py    bytes to questions, answers to bytes, with dnspython
forwarding.py questions that others have to answer
server.py     UDP and TCP

Only message.py, forwarding.py and server.py need dnspython.
"""

from muster.agent.dns.settings import DNS

__all__ = ["DNS"]
