"""Configuration files, in TOML or in Consul's own JSON.

files.py         which files there are, and what is written in them
keys.py          every key that Consul knows: what it means here, or that it means nothing to one node
spelling.py      the known key that an unknown one was probably meant to be
dns.py           what files say of DNS
definitions.py   services and checks, as registrations
reading.py       all of it together: Settings
"""

from muster.agent.config.reading import read_settings

__all__ = ["read_settings"]
