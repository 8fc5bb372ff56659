"""HTTP clients: a service's name where a host would be, on aiohttp's session.

session.py     Session: aiohttp's interface, `client.http`
direct.py      what is sent without asking the session about each of its options
transport.py   all that is behind it, as a client puts it together
call.py        one request over its attempts, as a middleware of that session
hedged.py      one request that is sent twice when its answer is late
attempt.py     one attempt, and how it ended recorded for its instance
ending.py      how an attempt ended, from a response or an error
retrying.py    what follows an attempt that failed
onward.py      how long a request may take, as its instance is told
methods.py     which requests may be processed twice
naming.py      which service a URL means
errors.py      nobody to call, in aiohttp's terms
alarm.py       time limits that cost next to nothing
services.py    the pool of each service, opened when it is first called
routing.py     the session's connector: takes each attempt to the instance that was chosen for it
connector.py   connections to one instance, each verified before it carries a request
protocol.py    one connection: its age, and whether it is verified
identity.py    how an instance proves that it is no stranger on its port
links.py       the connections of one pool
link.py        the connections to one instance, and how many are using them
connection.py  keeping a link to an instance, and starting over when it is broken
prepared.py    requests that another HTTP library has prepared
dialing.py     how connections are made, and for how long they are kept
"""
