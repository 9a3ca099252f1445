"""What routing knows of each deployment, and the administrator's hand on it."""

from collections.abc import Callable

from portico.api import replies
from portico.engine.gateway import Gateway
from portico.errors import DeploymentNotFound, NotFound
from portico.routing import steering
from portico.routing.health import DeploymentState
from portico.types.http import Request, Responder

_BASE = "/admin/routing/"
_ACTIONS: dict[str, Callable[[DeploymentState, float], None]] = {
    "drain": lambda state, now: steering.drain(state),
    "disable": lambda state, now: steering.disable(state),
    "enable": lambda state, now: steering.enable(state),
    "reset": steering.reset,
}


class RoutingPages:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def show(self, request: Request, responder: Responder, request_id: str) -> int:
        """All deployments, by name; durations are as of `at`."""
        gateway = self._gateway
        now, wall = gateway.clock(), gateway.wall()
        states = sorted(gateway.snapshot.states.items())
        answer = {
            "at": steering.utc(wall),
            "deployments": [steering.view(state, now, wall) for _, state in states],
        }
        return replies.send_json(responder, request_id, answer)

    def steer(self, request: Request, responder: Responder, request_id: str) -> int:
        """`/admin/routing/<deployment>/<action>`; answers with the deployment as it is then.

        Holds until it is taken back or the process ends; a reload of the configuration keeps it.
        """
        gateway = self._gateway
        id, _, action = request.path.removeprefix(_BASE).rpartition("/")
        act = _ACTIONS.get(action)
        if act is None:
            raise NotFound(
                f"There is no action {replies.shown_path(action)!r}; "
                f"a deployment takes {', '.join(_ACTIONS)}."
            )
        state = gateway.snapshot.states.get(id)
        if state is None:
            raise DeploymentNotFound(
                f"There is no deployment {replies.shown_path(id)!r}; GET /admin/routing lists them."
            )
        now = gateway.clock()
        act(state, now)
        gateway.log.warning(
            "%s: %s by an administrator", id, action, extra={"request_id": request_id}
        )
        return replies.send_json(responder, request_id, steering.view(state, now, gateway.wall()))
