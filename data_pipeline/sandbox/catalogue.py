"""The tools of the built-in world: a mail-order business, its couriers, its depots and the cities that they lie in.

One declaration a tool: name, what it takes (argument -> kind), what it gives, field of the result, nouns for it,
description.
"""

from data_pipeline.sandbox.relations import Number, Relation

_CITY = ("city", "town", "municipality", "hometown")

# fmt: off
RELATIONS: tuple[Relation, ...] = (
    # one entity to another
    Relation("order_customer", {"order": "order"}, "customer", "customer", ("buyer", "customer", "purchaser", "client"),
             "The customer who placed an order."),
    Relation("order_product", {"order": "order"}, "product", "product", ("product", "item", "article", "ware"),
             "The product that was ordered."),
    Relation("order_parcel", {"order": "order"}, "parcel", "parcel", ("parcel", "package", "shipment", "consignment"),
             "The parcel that an order travels in."),
    Relation("parcel_courier", {"parcel": "parcel"}, "courier", "courier", ("courier", "driver", "carrier", "rider"),
             "The courier who carries a parcel."),
    Relation("courier_vehicle", {"courier": "courier"}, "vehicle", "vehicle", ("vehicle", "van", "truck", "car"),
             "The vehicle that a courier drives."),
    Relation("courier_team", {"courier": "courier"}, "team", "team", ("team", "crew", "squad", "unit"),
             "The team that a courier works in."),
    Relation("courier_base", {"courier": "courier"}, "depot", "depot", ("base", "station", "home depot", "post"),
             "The depot that a courier starts from."),
    Relation("team_leader", {"team": "team"}, "courier", "leader", ("leader", "head", "captain", "chief"),
             "The courier who leads a team."),
    Relation("depot_city", {"depot": "depot"}, "city", "city", _CITY, "The city that a depot lies in."),
    Relation("seller_city", {"seller": "seller"}, "city", "city", _CITY, "The city that a seller trades from."),
    Relation("city_twin", {"city": "city"}, "city", "twin", ("twin city", "sister city", "partner town", "twin town"),
             "The twin of a city."),
    Relation("vehicle_garage", {"vehicle": "vehicle"}, "depot", "depot", ("garage", "yard", "shed", "parking depot"),
             "The depot where a vehicle is parked."),
    Relation("product_seller", {"product": "product"}, "seller", "seller", ("seller", "vendor", "merchant", "shop"),
             "The seller who offers a product."),
    Relation("product_depot", {"product": "product"}, "depot", "depot", ("depot", "warehouse", "storehouse", "stockroom"),
             "The depot that stores a product."),
    Relation("customer_order", {"customer": "customer"}, "order", "order",
             ("latest order", "newest order", "last purchase", "recent purchase"), "The latest order of a customer."),
    Relation("customer_shop", {"customer": "customer"}, "seller", "seller",
             ("favourite shop", "preferred seller", "usual vendor", "regular merchant"), "The seller that a customer prefers."),
    Relation("customer_wish", {"customer": "customer"}, "product", "product",
             ("wish", "most wanted item", "dream product", "desired article"), "The product that a customer wishes for."),
    Relation("seller_customer", {"seller": "seller"}, "customer", "customer",
             ("best customer", "top buyer", "main client", "regular customer"), "The customer who buys most from a seller."),
    # two entities to a third
    Relation("joint_order", {"customer": "customer", "seller": "seller"}, "order", "order",
             ("joint order", "common order", "shared purchase", "mutual order"), "The last order of a customer with a seller."),
    Relation("handover", {"courier": "courier", "depot": "depot"}, "parcel", "parcel",
             ("handover", "transfer", "handed parcel", "exchange"), "The parcel that a courier hands over at a depot."),
    Relation("substitute", {"courier": "courier", "team": "team"}, "courier", "courier",
             ("substitute", "replacement", "deputy", "backup"), "The courier of a team who stands in for another courier."),
    # numbers
    Relation("shelf", {"product": "product", "depot": "depot"}, Number(10, 99), "shelf",
             ("shelf", "rack", "slot", "shelf number"), "The shelf of a product in a depot."),
    Relation("distance", {"origin": "city", "target": "city"}, Number(10, 999), "km",
             ("distance", "mileage", "gap", "range"), "The kilometres from one city to another."),
    Relation("rating", {"customer": "customer", "product": "product"}, Number(1, 10), "points",
             ("rating", "score", "grade", "points"), "The points that a customer gave a product."),
    Relation("product_price", {"product": "product"}, Number(10, 999), "price", ("price", "cost", "price tag", "charge"),
             "The price of a product."),
    Relation("parcel_weight", {"parcel": "parcel"}, Number(10, 99), "kg", ("weight", "mass", "load", "heft"),
             "The weight of a parcel in kilograms."),
)
# fmt: on
