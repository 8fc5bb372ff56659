"""Several processes that run one service, and the one that looks after them.

table.py       which workers there are, and what is to be done about them: pure
messages.py    what both sides tell each other
channel.py     how: messages, and open sockets, through a pair of sockets
process.py     starting one
condition.py   what all of them are together
supervisor.py  does what the table wants, and tells it what happened
turn.py        whose turn it is to get a connection: pure
dealing.py     takes the connections of their one port, and gives each worker its turn
"""
