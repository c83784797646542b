"""The benchmark's MessageAPI: users of a workspace and the messages sent to them."""

import random
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.words.json import Json, JsonObject

_SEED = 200191
_DEFAULTS: JsonObject = {
    "generated_ids": set(),
    "user_count": 4,
    "user_map": {"Alice": "USR001", "Bob": "USR002", "Catherine": "USR003", "Daniel": "USR004"},
    "inbox": [
        {"USR002": "My name is Alice. I want to connect."},
        {"USR003": "Could you upload the file?"},
        {"USR004": "Could you upload the file?"},
    ],
    "message_count": 3,
    "current_user": None,
}
_NOBODY = {"error": "No user is currently logged in."}


class MessageAPI(Simulator):
    """Each message of the inbox is an object of one entry: receiver and text."""

    generated_ids: Any
    user_count: Any
    user_map: Any
    inbox: Any
    message_count: Any
    current_user: Any

    def _load(self, config: JsonObject) -> None:
        self._random = random.Random(config.get("random_seed", _SEED))
        self._take(config, _DEFAULTS)

    def _new_id(self) -> dict[str, int]:
        while True:
            drawn = self._random.randint(10000, 99999)
            if drawn not in self.generated_ids:
                self.generated_ids.add(drawn)
                return {"new_id": drawn}

    def list_users(self) -> Json:
        return {"user_list": list(self.user_map)}

    def get_user_id(self, user: Any) -> Json:
        if user in self.user_map:
            return {"user_id": self.user_map[user]}
        return {"error": f"User '{user}' not found in the workspace."}

    def message_login(self, user_id: Any) -> Json:
        if user_id not in list(self.user_map.values()):
            return {"login_status": False, "message": f"User ID '{user_id}' not found."}
        self.current_user = user_id
        return {"login_status": True, "message": f"User '{user_id}' logged in successfully."}

    def message_get_login_status(self) -> Json:
        return {"login_status": bool(self.current_user)}

    def send_message(self, receiver_id: Any, message: Any) -> Json:
        if not self.current_user:
            return dict(_NOBODY)
        if receiver_id not in self.user_map.values():
            return {"error": f"Receiver ID '{receiver_id}' not found."}
        drawn = self._new_id()
        self.inbox.append({receiver_id: message})
        self.message_count += 1
        text = f"Message sent to '{receiver_id}' successfully."
        return {"sent_status": True, "message_id": drawn, "message": text}

    def delete_message(self, receiver_id: Any) -> Json:
        """The benchmark removes the first message equal to the latest one found, and does not count it off."""
        if not self.current_user:
            return dict(_NOBODY)
        for message in reversed(self.inbox):
            receiver = next(iter(message))
            if receiver == receiver_id:
                self.inbox.remove(message)
                text = f"Receiver {receiver_id}'s latest message deleted successfully."
                return {"deleted_status": True, "receiver_id": receiver, "message": text}
        return {"error": f"Receiver ID {receiver_id} not found."}

    def view_messages_sent(self) -> Json:
        if not self.current_user:
            return dict(_NOBODY)
        sent: dict[str, list[str]] = {}
        for receiver, text in self._messages():
            sent.setdefault(receiver, []).append(text)
        return {"messages": sent}

    def _messages(self) -> list[tuple[str, str]]:
        return [next(iter(message.items())) for message in self.inbox]

    def add_contact(self, user_name: Any) -> Json:
        if user_name in self.user_map:
            return {"error": f"User name '{user_name}' already exists."}
        self.user_count += 1
        user_id = f"USR{str(self.user_count).zfill(3)}"
        if user_id in self.user_map.values():
            return {"error": f"User ID '{user_id}' already exists."}
        self.user_map[user_name] = user_id
        text = f"Contact '{user_name}' added successfully."
        return {"added_status": True, "user_id": user_id, "message": text}

    def search_messages(self, keyword: Any) -> Json:
        if not self.current_user:
            return dict(_NOBODY)
        wanted = keyword.lower()
        found = [(receiver, text) for receiver, text in self._messages() if wanted in text.lower()]
        return {"results": [{"receiver_id": receiver, "message": text} for receiver, text in found]}

    def get_message_stats(self) -> Json:
        if not self.current_user:
            return dict(_NOBODY)
        messages = self._messages()
        people = {receiver for receiver, _ in messages}
        return {"stats": {"received_count": len(messages), "total_contacts": len(people)}}
