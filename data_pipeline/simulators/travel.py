"""The benchmark's TravelAPI: flights, bookings, credit cards and a budget."""

import copy
import random
from datetime import date, datetime
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.simulators.fares import AIRPORTS, CITY_AIRPORTS, DOLLAR_RATES, FARES
from data_pipeline.words.json import Json, JsonObject

_SEED = 141053
_DEFAULTS: JsonObject = {
    "credit_card_list": {},
    "booking_record": {},
    "access_token": None,
    "token_type": None,
    "token_expires_in": None,
    "token_scope": None,
    "user_first_name": None,
    "user_last_name": None,
    "budget_limit": None,
}
_CLASS_FACTORS = {"economy": 1, "business": 2, "first": 5}
_BOOKED = ("card_id", "travel_date", "travel_from", "travel_to", "travel_class", "travel_cost", "transaction_id")
_SUPPORT = (
    "Thank you for contacting customer support. Your message has been received and we will get back to you shortly."
)


class TravelAPI(Simulator):
    """A token that is missing counts as one that has not expired, except when a card is registered."""

    credit_card_list: Any
    booking_record: Any
    access_token: Any
    token_type: Any
    token_expires_in: Any
    token_scope: Any
    user_first_name: Any
    user_last_name: Any
    budget_limit: Any

    def _load(self, config: JsonObject) -> None:
        self._random = random.Random(config.get("random_seed", _SEED))
        self._take(config, _DEFAULTS)
        self.long_context = self._long
        if self._filler is not None:
            for number, card in self._filler.credit_cards.items():
                self.credit_card_list.setdefault(number, copy.deepcopy(card))
            for number, booking in self._filler.bookings.items():
                self.booking_record.setdefault(number, copy.deepcopy(booking))

    def _barred(self, access_token: Any) -> str | None:
        if self.token_expires_in == 0:
            return "Token expired"
        return "Invalid access token" if access_token != self.access_token else None

    def authenticate_travel(
        self,
        client_id: Any,
        client_secret: Any,
        refresh_token: Any,
        grant_type: Any,
        user_first_name: Any,
        user_last_name: Any,
    ) -> Json:
        self.token_expires_in, self.token_type, self.token_scope = 2, "Bearer", grant_type
        self.access_token = str(self._random.randint(100000, 999999))
        self.user_first_name, self.user_last_name = user_first_name, user_last_name
        return {"expires_in": 2, "access_token": self.access_token, "token_type": "Bearer", "scope": grant_type}

    def travel_get_login_status(self) -> Json:
        return {"status": not (self.token_expires_in is None or self.token_expires_in == 0)}

    def get_budget_fiscal_year(self, lastModifiedAfter: Any = None, includeRemoved: Any = None) -> Json:
        return {"budget_fiscal_year": "2018"}

    def register_credit_card(
        self,
        access_token: Any,
        card_number: Any,
        expiration_date: Any,
        cardholder_name: Any,
        card_verification_number: Any,
    ) -> Json:
        if self.token_expires_in is None:
            return {"error": "Token not initialized"}
        if barred := self._barred(access_token):
            return {"error": barred}
        if card_number in self.credit_card_list:
            return {"error": "Card already registered"}
        card_id = str(self._random.randint(100000000000, 999999999999))
        self.credit_card_list[card_id] = {
            "card_number": card_number,
            "expiration_date": expiration_date,
            "cardholder_name": cardholder_name,
            "card_verification_number": card_verification_number,
            "balance": self._random.randint(10000, 99999),
        }
        return {"card_id": card_id}

    def get_flight_cost(self, travel_from: Any, travel_to: Any, travel_date: Any, travel_class: Any) -> Json:
        cost = _fare(travel_from, travel_to, travel_date, travel_class)
        if self._filler is None:
            return {"travel_cost_list": [cost]}
        share = _multiple(travel_date, travel_class)
        return {"travel_cost_list": [float(base * share) for base in FARES.values()]}

    def get_credit_card_balance(self, access_token: Any, card_id: Any) -> Json:
        if barred := self._barred(access_token):
            return {"error": barred}
        if card_id not in self.credit_card_list:
            known = str(list(self.credit_card_list.keys()))
            return {"error": f"Card not registered. Here are a list of card_id's: {known}"}
        return {"card_balance": self.credit_card_list[card_id]["balance"]}

    def book_flight(
        self, access_token: Any, card_id: Any, travel_date: Any, travel_from: Any, travel_to: Any, travel_class: Any
    ) -> Json:
        trip = (travel_from, travel_to, travel_date, travel_class)
        problem = self._barred(access_token) or self._card_problem(card_id) or _trip_problem(*trip)
        if problem:
            return {"booking_status": False, "error": problem}
        card = self.credit_card_list[card_id]
        try:
            cost = _fare(*trip)
        except ValueError as error:
            return {"booking_status": False, "error": str(error)}
        if card["balance"] < cost:
            return {"booking_status": False, "error": "Insufficient funds"}
        if self.budget_limit is not None and card["balance"] < self.budget_limit:
            return {"booking_status": False, "error": "Balance is less than budget limit"}
        card["balance"] -= cost
        booking_id = str(self._random.randint(1000000, 9999999))
        transaction_id = str(self._random.randint(10000000, 99999999))
        values = (card_id, travel_date, travel_from, travel_to, travel_class, cost, transaction_id)
        self.booking_record[booking_id] = dict(zip(_BOOKED, values, strict=True))
        return {
            "booking_id": booking_id,
            "transaction_id": transaction_id,
            "booking_status": True,
            "booking_history": self.booking_record if self._long else {},
        }

    def _card_problem(self, card_id: Any) -> str | None:
        if card_id not in self.credit_card_list:
            return "Card not registered"
        return None if "balance" in self.credit_card_list[card_id] else "Balance not found"

    def retrieve_invoice(self, access_token: Any, booking_id: Any = None, insurance_id: Any = None) -> Json:
        if barred := self._barred(access_token):
            return {"error": barred}
        if booking_id not in self.booking_record:
            return {"error": "Booking not found"}
        booking = self.booking_record[booking_id]
        return {"invoice": {"booking_id": booking_id, **{name: booking[name] for name in _BOOKED[1:]}}}

    def get_booking_history(self, access_token: Any) -> Json:
        if barred := self._barred(access_token):
            return {"error": barred}
        return {"booking_history": copy.deepcopy(self.booking_record)}

    def list_all_airports(self) -> Json:
        return list(AIRPORTS)

    def cancel_booking(self, access_token: Any, booking_id: Any) -> Json:
        if barred := self._barred(access_token):
            return {"cancel_status": False, "error": barred}
        if booking_id not in self.booking_record:
            return {"cancel_status": False, "error": "Booking not found"}
        booking = self.booking_record[booking_id]
        card_id, cost = booking["card_id"], booking["travel_cost"]
        self.credit_card_list[card_id]["balance"] += cost
        del self.booking_record[booking_id]
        return {"cancel_status": True}

    def compute_exchange_rate(self, base_currency: Any, target_currency: Any, value: Any) -> Json:
        if base_currency == "USD" and target_currency in list(DOLLAR_RATES):
            return {"exchanged_value": float(value * DOLLAR_RATES[target_currency])}
        if target_currency == "USD" and base_currency in list(DOLLAR_RATES):
            return {"exchanged_value": round(value / DOLLAR_RATES[base_currency], 2)}
        raise ValueError("No available exchange rate for the given currencies.")

    def verify_traveler_information(
        self, first_name: Any, last_name: Any, date_of_birth: Any, passport_number: Any
    ) -> Json:
        """Ages are counted up to today: the one result here that depends on the day."""

        def failed(why: str) -> JsonObject:
            return {"verification_status": False, "verification_failure": why}

        if self.user_first_name != first_name or self.user_last_name != last_name:
            expected = f"Expected {self.user_first_name} {self.user_last_name}, got {first_name} {last_name}"
            return failed(f"Cannot book flight information for another user.{expected}")
        try:
            born = datetime.strptime(date_of_birth, "%Y-%m-%d")
        except ValueError:
            return failed("Invalid date of birth format. Please use YYYY-MM-DD.")
        today = date.today()
        if today.year - born.year - ((today.month, today.day) < (born.month, born.day)) < 18:
            return failed("Traveler must be at least 18 years old.")
        if not passport_number.startswith("US"):
            return failed("Passport must be issued by the United States.")
        return {"verification_status": True}

    def set_budget_limit(self, access_token: Any, budget_limit: Any) -> Json:
        if barred := self._barred(access_token):
            return {"error": barred}
        self.budget_limit = float(budget_limit)
        return {"budget_limit": self.budget_limit}

    def get_nearest_airport_by_city(self, location: Any) -> Json:
        return {"nearest_airport": CITY_AIRPORTS.get(location, "Unknown")}

    def purchase_insurance(
        self, access_token: Any, insurance_type: Any, booking_id: Any, insurance_cost: Any, card_id: Any
    ) -> Json:
        problem = self._barred(access_token)
        if problem is None and self.budget_limit is not None and self.budget_limit < insurance_cost:
            problem = "Exceeded budget limit"
        if problem is None and booking_id not in self.booking_record:
            problem = "Booking not found"
        if problem is None and card_id not in self.credit_card_list:
            problem = "Credit card not registered"
        if problem:
            return {"insurance_status": False, "error": problem}
        self.credit_card_list[card_id]["balance"] -= insurance_cost
        return {"insurance_id": str(self._random.randint(100000000, 999999999)), "insurance_status": True}

    def contact_customer_support(self, booking_id: Any, message: Any) -> Json:
        if booking_id not in self.booking_record:
            return {"error": "Booking not found"}
        return {"customer_support_message": _SUPPORT}

    def get_all_credit_cards(self) -> Json:
        return {"credit_card_list": self.credit_card_list}


def _multiple(travel_date: Any, travel_class: Any) -> int:
    """What a fare is multiplied with: dearer classes, and days whose digits add up to an even number."""
    if travel_class not in _CLASS_FACTORS:
        raise ValueError("Invalid travel class. Options are: economy, business, first.")
    digits = sum(int(character) for character in travel_date if character.isdigit())
    return _CLASS_FACTORS[travel_class] * (2 if digits % 2 == 0 else 1)


def _fare(travel_from: Any, travel_to: Any, travel_date: Any, travel_class: Any) -> float:
    if (travel_from, travel_to) not in FARES:
        raise ValueError("No available route for the given airports.")
    return float(FARES[travel_from, travel_to] * _multiple(travel_date, travel_class))


def _trip_problem(travel_from: Any, travel_to: Any, travel_date: Any, travel_class: Any) -> str | None:
    if travel_from not in AIRPORTS:
        return f"Invalid departure airport code: {travel_from}"
    if travel_to not in AIRPORTS:
        return f"Invalid destination airport code: {travel_to}"
    try:
        datetime.strptime(travel_date, "%Y-%m-%d")
    except ValueError:
        return "Invalid date format. Use YYYY-MM-DD."
    if travel_class in list(_CLASS_FACTORS):
        return None
    # the benchmark prints a set here, in an order that differs from run to run
    return "Invalid travel class. Must be one of {'economy', 'business', 'first'}"
