"""What a program offers over gRPC: handlers, collected from generated `add_X_to_server` functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default

from muster.grpc.guard import GuardedHandlers, guard
from muster.grpc.slots import Slots
from muster.model.endpoint import Endpoint
from muster.model.errors import Rejected

Adder = Callable[[Any, Any], object]
"""`add_X_to_server(servicer, server)`, as grpcio-tools generates it."""


class Offered:
    """The services of one program. They may be installed in any number of servers, one after the other."""

    def __init__(self) -> None:
        self._methods: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        self._generic: dict[str, grpc.GenericRpcHandler] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """Their full names, as in `greeter.Say`."""
        return tuple(sorted({*self._methods, *self._generic}))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every method. Its types are known where the program has loaded the proto that describes it."""
        return tuple(e for service in self.services for e in _endpoints(service, self._methods.get(service, {})))

    def add(self, adder: Adder, servicer: object) -> None:
        """Collect what `adder` would add to a server. Raises Rejected for what cannot be served."""
        if inspect.isclass(servicer):
            raise Rejected(f"add() needs a servicer, not its class: write {servicer.__name__}()")
        collected = _Collected()
        try:
            adder(servicer, collected)
        except (AttributeError, TypeError) as error:
            raise Rejected(
                f"{getattr(adder, '__name__', adder)} cannot add {type(servicer).__name__}: {error}. "
                "Write service.add(add_X_to_server, X()), with both from the same proto"
            ) from error
        self._take(collected)

    def install(self, server: grpc.aio.Server, slots: Slots) -> None:
        """Give every handler, guarded, to a server that has not been started."""
        for service, methods in self._methods.items():
            guarded = {name: guard(handler, f"/{service}/{name}", slots) for name, handler in methods.items()}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
        server.add_generic_rpc_handlers(tuple(GuardedHandlers(each, slots) for each in self._generic.values()))

    def _take(self, collected: _Collected) -> None:
        names = {*collected.methods, *collected.generic}
        if not names:
            raise Rejected("add() needs an add_X_to_server function: the one given adds no service")
        if twice := names.intersection(self.services):
            raise Rejected(f"{', '.join(sorted(twice))} has been added before: a service can be served once only")
        self._methods.update(collected.methods)
        self._generic.update({name: each for name, each in collected.generic.items() if name not in collected.methods})


class _Collected:
    """Stands in for a server. Generated code before grpcio 1.65 calls the first method only."""

    def __init__(self) -> None:
        self.generic: dict[str, grpc.GenericRpcHandler] = {}
        self.methods: dict[str, dict[str, grpc.RpcMethodHandler]] = {}

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[Any]) -> None:
        for handler in generic_rpc_handlers:
            self.generic[handler.service_name()] = handler

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        self.methods[service_name] = dict(method_handlers)


def _endpoints(service: str, methods: Mapping[str, grpc.RpcMethodHandler]) -> list[Endpoint]:
    try:
        described = Default().FindServiceByName(service)
    except KeyError:
        return [
            Endpoint(f"/{service}/{name}", "", "", bool(h.request_streaming), bool(h.response_streaming))
            for name, h in sorted(methods.items())
        ]
    return [_endpoint(service, method) for method in described.methods]


def _endpoint(service: str, method: MethodDescriptor) -> Endpoint:
    return Endpoint(
        f"/{service}/{method.name}",
        method.input_type.full_name,
        method.output_type.full_name,
        method.client_streaming,
        method.server_streaming,
    )
