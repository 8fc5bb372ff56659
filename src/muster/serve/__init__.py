"""A service's life, whatever it is called by: start, be registered, stay registered, drain, stop.

settings.py       Timing, Limits, TLS, Second: the numbers and files of a service, as frozen data
lifecycle.py      the phases of a run as a table, and what is answered to who asks for health in each
standing.py       where a registration stands, and what to do next: a pure function
membership.py     the one task that gets an instance registered, keeps it so and takes it out again
advertise.py      the address that goes into the registry
zones/            where it runs: the argument, the environment, or who else knows
entry.py          what the registry is told of an instance
reach.py          what callers speak to it, and how the registry finds out whether it answers
several.py        one run that is reached by several protocols
sharing.py        one registration that several processes have together
lease.py          who of them writes it, and who is the last one out
listeners.py      the sockets that a process listens at, whoever opened them
interposed.py     stopping signals, taken before the server that they are meant for
reporting.py      telling observers where the registration stands
health.py         the health of a run, for whichever transport is asked
hooks.py          what the author of a service runs at start and stop
life.py           the whole sequence, in order
program.py        a foreign program that takes the calls
orphans.py        child processes, and what they leave behind
workers/          several processes that run one service
signals.py        SIGTERM and its like
within.py         asyncio.timeout, for a stop
loop.py           the event loop to run on
mode.py           who registers the service
"""
