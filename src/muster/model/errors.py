"""Errors, named by who must act.

MusterError
├── NoInstances            nobody to call: whoever runs that service
├── Overloaded             the client's own limit of calls under way is reached: whoever calls so much
├── RegistryUnavailable    the registry did not answer: whoever runs the registry; trying again may help
├── NotRegistered          the registry has forgotten this registration: register anew
├── Rejected               the request is wrong: the caller; trying again will not help
│   ├── Denied             the token lacks a right: whoever grants tokens
│   └── BadConfiguration   a URL, an option or an environment variable is wrong
└── Fault                  the called service answered with an error
"""

from __future__ import annotations


class MusterError(Exception):
    """Base of every error that muster raises on purpose. Its text says what was wrong, where, and what to do."""


class NoInstances(MusterError):
    """No instance of a service could be chosen.

    `known` tells the two cases apart that a gateway answers with 404 and 503: False when the registry knows nobody
    of that name, True when instances are registered but none of them can be called now.
    """

    def __init__(self, name: str, why: str, *, known: bool = False) -> None:
        super().__init__(f"no instance of {name!r} to call: {why}")
        self.name = name
        self.why = why
        self.known = known


class Overloaded(MusterError):
    """As many calls are under way as this client allows (`call.breaker`). Nothing was sent."""


class RegistryUnavailable(MusterError):
    """The registry did not answer, or not with an answer that can be used. Nothing is known to have changed.

    `retry_after` is the pause that the registry asked for, in seconds, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotRegistered(MusterError):
    """The registry does not know this instance (any more)."""

    def __init__(self, instance_id: str, registry: str) -> None:
        super().__init__(f"{registry} does not know instance {instance_id!r}")
        self.instance_id = instance_id


class Rejected(MusterError):
    """The request itself is at fault; the same request will be refused again."""


class Denied(Rejected):
    """The registry refused for lack of rights, or left out of its answer what the token may not see.

    `rule` is the access rule that is missing, in the registry's own notation.
    """

    def __init__(self, message: str, *, rule: str = "") -> None:
        super().__init__(f"{message}; the token lacks: {rule}" if rule else message)
        self.rule = rule


class BadConfiguration(Rejected):
    """A URL, an option or an environment variable cannot be used as it stands."""


class Fault(MusterError):
    """An error with a code: raised by a handler it travels to the caller; raised by a client it came from a service.

    `code` is a gRPC status name such as "NOT_FOUND" (https://grpc.io/docs/guides/status-codes/); `detail` is text
    for people.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
