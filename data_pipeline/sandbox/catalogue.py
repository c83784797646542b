"""The tools of the built-in world: a mail-order business, what its people want, who carries it, and where it lies.

One declaration a tool: name, what it takes (argument -> kind), what it gives, field of the result, nouns for it,
description. Every kind of entity feeds several tools and comes from several, so that what to call next is a matter of
the query, not of the last result.
"""

from data_pipeline.sandbox.relations import Number, Relation

# fmt: off
RELATIONS: tuple[Relation, ...] = (
    # one entity to another
    Relation("customer_purchase", {"customer": "customer"}, "order", "purchase", ("purchase", "checkout"),
             "The latest order of a customer."),
    Relation("customer_wish", {"customer": "customer"}, "product", "wish", ("wish", "craving"),
             "The product that a customer wishes for."),
    Relation("customer_friend", {"customer": "customer"}, "customer", "friend", ("friend", "neighbour"),
             "The customer who recommended the business to a customer."),
    Relation("customer_favourite", {"customer": "customer"}, "seller", "favourite", ("favourite", "preference"),
             "The seller that a customer prefers."),
    Relation("order_buyer", {"order": "order"}, "customer", "buyer", ("buyer", "purchaser"),
             "The customer who placed an order."),
    Relation("order_item", {"order": "order"}, "product", "item", ("item", "article"), "The product that was ordered."),
    Relation("order_carrier", {"order": "order"}, "courier", "carrier", ("carrier", "rider"),
             "The courier who carries an order."),
    Relation("product_vendor", {"product": "product"}, "seller", "vendor", ("vendor", "merchant"),
             "The seller who offers a product."),
    Relation("product_store", {"product": "product"}, "depot", "store", ("storehouse", "stockroom"),
             "The depot that stores a product."),
    Relation("product_rival", {"product": "product"}, "product", "rival", ("rival", "alternative"),
             "The product that is bought instead of a product."),
    Relation("product_fan", {"product": "product"}, "customer", "fan", ("fan", "admirer"),
             "The customer who buys a product most."),
    Relation("seller_patron", {"seller": "seller"}, "customer", "patron", ("patron", "regular"),
             "The customer who buys most from a seller."),
    Relation("seller_hit", {"seller": "seller"}, "product", "hit", ("hit", "bestseller"),
             "The product that a seller sells most."),
    Relation("seller_agent", {"seller": "seller"}, "courier", "agent", ("agent", "messenger"),
             "The courier who works for a seller."),
    Relation("courier_base", {"courier": "courier"}, "depot", "base", ("base", "station"),
             "The depot that a courier starts from."),
    Relation("courier_leader", {"courier": "courier"}, "courier", "leader", ("leader", "captain"),
             "The courier who leads a courier's team."),
    Relation("courier_delivery", {"courier": "courier"}, "order", "delivery", ("delivery", "shipment"),
             "The order that a courier is carrying."),
    Relation("depot_keeper", {"depot": "depot"}, "courier", "keeper", ("keeper", "warden"),
             "The courier who keeps the keys of a depot."),
    Relation("depot_twin", {"depot": "depot"}, "depot", "twin", ("twin", "counterpart"),
             "The depot that stands in for a depot."),
    Relation("depot_tenant", {"depot": "depot"}, "seller", "tenant", ("tenant", "lodger"),
             "The seller who rents a depot."),
    Relation("depot_backlog", {"depot": "depot"}, "order", "backlog", ("backlog", "straggler"),
             "The order that has waited longest in a depot."),
    # two entities to a third
    Relation("joint_contract", {"customer": "customer", "seller": "seller"}, "order", "contract", ("contract", "deal"),
             "The standing order of a customer with a seller."),
    Relation("depot_cargo", {"courier": "courier", "depot": "depot"}, "product", "cargo", ("cargo", "freight"),
             "The product that a courier takes to a depot."),
    Relation("seller_escort", {"courier": "courier", "seller": "seller"}, "courier", "escort", ("escort", "deputy"),
             "The courier who rides along with a courier for a seller."),
    # numbers
    Relation("depot_shelf", {"product": "product", "depot": "depot"}, Number(10, 99), "shelf", ("shelf", "rack"),
             "The shelf of a product in a depot."),
    Relation("depot_distance", {"origin": "depot", "target": "depot"}, Number(10, 999), "km", ("distance", "mileage"),
             "The kilometres from one depot to another."),
    Relation("product_rating", {"customer": "customer", "product": "product"}, Number(1, 10), "points", ("rating", "score"),
             "The points that a customer gave a product."),
    Relation("product_price", {"product": "product"}, Number(10, 999), "price", ("price", "cost"),
             "The price of a product."),
    Relation("order_weight", {"order": "order"}, Number(10, 99), "kg", ("weight", "mass"),
             "The weight of an order in kilograms."),
)
# fmt: on
