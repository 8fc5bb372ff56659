"""HTTP: servers and clients.

asgi.py        the types of an ASGI application
listening.py   a bound socket for an address, or an error that says what to do
incoming.py    connections that another process has accepted
parser.py      requests as bytes; an offer to upgrade is none
connection.py  one HTTP/1.1 connection, with limits on what a stranger may send
capitals.py    names of headers as most servers write them
prompt.py      answers that need no task: given or promised while the request is read
server.py      serving: an ASGI application on an address, within this process
mounted.py     another application beside a service's own handlers
lifespan.py    an application's lifespan: under another server, or as its server
departing.py   what callers are told by a server that is about to go
finding.py     whether a service answers at an address, asked by itself
looking.py     one look at a health path
typed/         handlers of a class, served and called with JSON
client/        aiohttp's session, with the names of services where hosts would be
httpx.py       the same for httpx (extra `httpx`)
requests.py    the same for requests, in threads (extra `requests`)
"""
