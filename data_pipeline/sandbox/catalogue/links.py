"""Tools that lead from one domain to another."""

from data_pipeline.sandbox.relations import Number, Relation

LINKS: tuple[Relation, ...] = (
    Relation(
        "guest_account",
        {"guest": "guest"},
        "account",
        "payment.account",
        ("wallet", "purse"),
        "What a guest pays from.",
    ),
    Relation("artist_hotel", {"artist": "artist"}, "hotel", "hotel", ("retreat", "quarters"), "Where an artist stays."),
    Relation(
        "venue_airport", {"venue": "venue"}, "airport", "airport", ("gateway", "airfield"), "The airport of a venue."
    ),
    Relation(
        "reader_profile",
        {"reader": "reader"},
        "customer",
        "customer",
        ("profile", "membership"),
        "A reader as a customer.",
    ),
    Relation(
        "owner_ticket", {"owner": "owner"}, "event", "event", ("outing", "evening"), "The event that an owner goes to."
    ),
    Relation(
        "customer_book", {"customer": "customer"}, "book", "book", ("bedside", "paperback"), "What a customer reads."
    ),
    Relation(
        "delivery_fee",
        {"from.depot": "depot", "to.airport": "airport"},
        Number(5, 99),
        "fee.euros",
        ("freightage", "haulage"),
        "The price of a delivery from a depot to an airport.",
    ),
)
