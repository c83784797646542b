"""Tools that take three entities: steps that three earlier results can feed.

The world's own wordings join two noun phrases at most, so only tasks that `synth` makes need these tools.
"""

from data_pipeline.sandbox.relations import Number, Relation

GROUPS: tuple[Relation, ...] = (
    Relation(
        "quote_dispatch",
        {"order": "order", "via.courier": "courier", "via.depot": "depot"},
        Number(3, 90),
        "dispatch.euros",
        ("forwarding", "sendoff"),
        "What it costs to send an order with a courier through a depot.",
        beside={"dispatch.days": Number(1, 14)},
        asked=False,
    ),
    Relation(
        "replace_product",
        {"product": "product", "customer": "customer", "seller": "seller"},
        "product",
        "substitute.product",
        ("swap", "makeshift"),
        "What a seller gives a customer in place of a product.",
        asked=False,
    ),
    Relation(
        "quote_transfer",
        {"trip.flight": "flight", "trip.guest": "guest", "trip.hotel": "hotel"},
        Number(10, 200),
        "ride.price",
        ("shuttle", "ride"),
        "The price of the ride from a guest's flight to a hotel.",
        options={"luggage": {"type": "integer", "minimum": 0, "maximum": 5, "default": 1}},
        asked=False,
    ),
    Relation(
        "lending_period",
        {"book": "book", "reader": "reader", "branch": "branch"},
        Number(7, 60),
        "period.days",
        ("period", "term"),
        "How many days a branch lends a book to a reader.",
        asked=False,
    ),
    Relation(
        "plan_show",
        {"bill.artist": "artist", "bill.venue": "venue", "agency": "agency"},
        "event",
        "show.event",
        ("show", "recital"),
        "The event that an agency plans for an artist at a venue.",
        beside={"show.seats": Number(50, 5000)},
        asked=False,
    ),
    Relation(
        "loan_rate",
        {"owner": "owner", "account": "account", "adviser": "adviser"},
        Number(1, 19),
        "rate.percent",
        ("interest", "markup"),
        "The rate that an adviser offers an owner against an account.",
        asked=False,
    ),
)
