"""`muster demo`: real processes, steady load, two of three services taken away and brought back, and the numbers.

command.py     the command: whether to stay, and the exit status
story.py       what happens, in order
system.py      the processes: agent, gateway, greeters; what they leave behind is cleared here
processes.py   one child process
tether.py      how children end with the demo, whatever ends it
greeter.py     the greeter's own program
contract.py    what the greeter offers: messages and method
load.py        steady calls through a client and through the gateway
witness.py     when the client stopped choosing an instance
figures.py     from what was recorded to numbers and verdicts (pure)
table.py       the numbers, for people
"""
