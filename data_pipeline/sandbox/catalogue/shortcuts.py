"""Shortcuts: one call that finds what two or three others find, so that routes to an answer differ in length."""

from data_pipeline.sandbox.relations import Relation


def _shortcut(
    name: str, takes: str, gives: str, field: str, heads: tuple[str, str], text: str, route: tuple[str, ...]
) -> Relation:
    return Relation(name, {takes: takes}, gives, field, heads, text, same_as=route)


SHORTCUTS: tuple[Relation, ...] = (
    # trade
    _shortcut(
        "customer_item", "customer", "product", "product", ("gadget", "ware"),
        "The product that a customer ordered last.", ("customer_purchase", "order_item"),
    ),
    _shortcut(
        "order_base", "order", "depot", "from.depot", ("dispatch", "outpost"),
        "The depot that an order's courier starts from.", ("order_carrier", "courier_base"),
    ),
    _shortcut(
        "product_courier", "product", "courier", "courier", ("porter", "runner"),
        "The courier of a product's seller.", ("product_vendor", "seller_agent"),
    ),
    _shortcut(
        "seller_depot", "seller", "depot", "depot", ("warehouse", "depository"),
        "The depot that a seller's courier starts from.", ("seller_agent", "courier_base"),
    ),
    _shortcut(
        "depot_customer", "depot", "customer", "customer", ("loyalist", "stalwart"),
        "The best customer of the seller who rents a depot.", ("depot_tenant", "seller_patron"),
    ),
    _shortcut(
        "courier_recipient", "courier", "customer", "to.customer", ("recipient", "addressee"),
        "Who gets the order that a courier is carrying.", ("courier_delivery", "order_buyer"),
    ),
    _shortcut(
        "depot_claimant", "depot", "customer", "claimant", ("claimant", "waiter"),
        "Who waits longest for an order from a depot.", ("depot_backlog", "order_buyer"),
    ),
    _shortcut(
        "customer_hub", "customer", "depot", "hub", ("hub", "yard"),
        "The depot from which a customer's latest order comes.", ("customer_purchase", "order_carrier", "courier_base"),
    ),
    # travel
    _shortcut(
        "get_flight_hotel", "flight", "hotel", "hotel", ("stopover", "hostel"),
        "The hotel next to where a flight lands.", ("get_flight_destination", "get_airport_hotel"),
    ),
    _shortcut(
        "get_host_airport", "hotel", "airport", "airport", ("terminal", "runway"),
        "The airport nearest to where a hotel's manager lives.", ("get_hotel_manager", "get_guest_home"),
    ),
    _shortcut(
        "get_guest_hotel", "guest", "hotel", "stay.hotel", ("bed", "berth"),
        "The hotel next to where a guest lands.", ("get_guest_flight", "get_flight_destination", "get_airport_hotel"),
    ),
    # books
    _shortcut(
        "reader_library", "reader", "branch", "branch", ("archive", "athenaeum"),
        "The branch that holds the book that a reader has out.", ("reader_loan", "book_branch"),
    ),
    _shortcut(
        "author_library", "author", "branch", "branch", ("bookhouse", "repository"),
        "The branch that holds an author's first book.", ("author_debut", "book_branch"),
    ),
    _shortcut(
        "branch_favourite", "branch", "book", "favourite.book", ("pick", "selection"),
        "What the reader who runs a branch has out.", ("branch_librarian", "reader_loan"),
    ),
    # stage
    _shortcut(
        "venue_headliner", "venue", "artist", "artist", ("crowdpuller", "attraction"),
        "Who plays last at a venue's best event.", ("venue_highlight", "event_headliner"),
    ),
    _shortcut(
        "artist_stage", "artist", "venue", "venue", ("theatre", "arena"),
        "The venue that an artist's agency books most.", ("artist_agency", "agency_stage"),
    ),
    _shortcut(
        "event_home", "event", "venue", "venue", ("playhouse", "auditorium"),
        "The venue that the agency of an event's headliner books most.",
        ("event_headliner", "artist_agency", "agency_stage"),
    ),
    # bank
    _shortcut(
        "owner_office", "owner", "office", "office", ("chamber", "suite"),
        "The office where an owner's adviser works.", ("owner_adviser", "adviser_office"),
    ),
    _shortcut(
        "office_deputy", "office", "adviser", "adviser", ("understudy", "substitute"),
        "Who stands in for the head of an office.", ("office_head", "adviser_deputy"),
    ),
    _shortcut(
        "account_desk", "account", "office", "office", ("booth", "pavilion"),
        "The office where the adviser of an account's owner works.",
        ("account_owner", "owner_adviser", "adviser_office"),
    ),
)  # fmt: skip
