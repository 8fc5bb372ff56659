"""What tests of muster, and of anyone's registry backend, are made of. Imported by tests alone.

agents.py        an agent for one test: `muster.testing.agent()`, `agent_in_thread()`
plugin.py        the same as a fixture of pytest: `muster_agent`
conformance/     the rules that every registry keeps, one function a rule
watching.py      following a name with a deadline, and what it told
servers.py       a real Consul as a child process
protos.py        gRPC servers made from the text of a .proto file
clock.py         an event loop whose clock jumps instead of waiting
leaks.py         tasks and child processes that a test left behind
front.py         what stands before a registry and can be broken: refusing, failing, hanging
scripted.py      an HTTP server that answers by script: refusals, garbage, half an answer, nothing
"""

from muster.testing.agents import RunningAgent, agent, agent_in_thread

__all__ = ["RunningAgent", "agent", "agent_in_thread"]
