"""`muster doctor`: what goes wrong in practice, and what to do about it.

command.py       the command: gathers, judges, prints, and with --fix mends
finding.py       one finding
machine.py       judges this machine: the environment, limits, versions. Pure
registry.py      judges the registry and the token. Pure
instances.py     judges what is registered for this machine. Pure
looking.py       looks at ports and addresses of this machine
"""
