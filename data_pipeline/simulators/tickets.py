"""The benchmark's TicketAPI: support tickets and who is logged in."""

from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.words.json import Json, JsonObject

_DEFAULTS: JsonObject = {"ticket_queue": [], "ticket_counter": 1, "current_user": None}
_EDITABLE = {"title", "description", "status", "priority"}


def _unknown(ticket_id: Any) -> dict[str, str]:
    return {"error": f"Ticket with ID {ticket_id} not found."}


class TicketAPI(Simulator):
    """Any name with any password may log in."""

    ticket_queue: Any
    ticket_counter: Any
    current_user: Any

    def _load(self, config: JsonObject) -> None:
        self._take(config, _DEFAULTS)

    def _find(self, ticket_id: Any) -> Any:
        return next((ticket for ticket in self.ticket_queue if ticket["id"] == ticket_id), None)

    def create_ticket(self, title: Any, description: Any = "", priority: Any = 1) -> Json:
        if not self.current_user:
            return {"error": "User not authenticated. Please log in to create a ticket."}
        if priority < 1 or priority > 5:
            return {"error": "Invalid priority. Priority must be between 1 and 5."}
        ticket = {
            "id": self.ticket_counter,
            "title": title,
            "description": description,
            "status": "Open",
            "priority": priority,
            "created_by": self.current_user,
        }
        self.ticket_queue.append(ticket)
        self.ticket_counter += 1
        return ticket

    def get_ticket(self, ticket_id: Any) -> Json:
        return self._find(ticket_id) or _unknown(ticket_id)

    def close_ticket(self, ticket_id: Any) -> Json:
        return self._finish(ticket_id, "Closed")

    def resolve_ticket(self, ticket_id: Any, resolution: Any) -> Json:
        return self._finish(ticket_id, "Resolved", resolution=resolution)

    def _finish(self, ticket_id: Any, status: str, **more: Any) -> dict[str, str]:
        ticket = self._find(ticket_id)
        if not ticket:
            return _unknown(ticket_id)
        if ticket["status"] == status:
            return {"error": f"Ticket with ID {ticket_id} is already {status.lower()}."}
        ticket["status"] = status
        ticket.update(more)
        return {"status": f"Ticket {ticket_id} has been {status.lower()} successfully."}

    def edit_ticket(self, ticket_id: Any, updates: Any) -> Json:
        ticket = self._find(ticket_id)
        if not ticket:
            return _unknown(ticket_id)
        # the benchmark lists them in the order of a set; sorted is one of its orders, the same in every run
        wrong = sorted(set(updates.keys()) - _EDITABLE, key=str)
        if wrong:
            return {"error": f"Invalid fields for update: {', '.join(wrong)}"}
        ticket.update({name: value for name, value in updates.items() if value is not None})
        return {"status": f"Ticket {ticket_id} has been updated successfully."}

    def ticket_login(self, username: Any, password: Any) -> Json:
        if username and password:
            self.current_user = username
            return {"success": True}
        return {"success": False}

    def ticket_get_login_status(self) -> Json:
        return {"login_status": bool(self.current_user)}

    def logout(self) -> Json:
        was = bool(self.current_user)
        if was:
            self.current_user = None
        return {"success": was}

    def get_user_tickets(self, status: Any = None) -> Json:
        if not self.current_user:
            return [{"error": "User not authenticated. Please log in to view tickets."}]
        mine = [ticket for ticket in self.ticket_queue if ticket["created_by"] == self.current_user]
        if status:
            mine = [ticket for ticket in mine if ticket["status"].lower() == status.lower()]
        return mine
