"""The tools of the built-in world, by domain; one declaration a tool.

Every kind of entity feeds several tools and comes from several, so that what to call next is a matter of the query,
not of the last result.
"""

from data_pipeline.sandbox.catalogue.bank import BANK
from data_pipeline.sandbox.catalogue.books import BOOKS
from data_pipeline.sandbox.catalogue.groups import GROUPS
from data_pipeline.sandbox.catalogue.links import LINKS
from data_pipeline.sandbox.catalogue.shortcuts import SHORTCUTS
from data_pipeline.sandbox.catalogue.stage import STAGE
from data_pipeline.sandbox.catalogue.trade import TRADE
from data_pipeline.sandbox.catalogue.travel import TRAVEL
from data_pipeline.sandbox.relations import Relation

RELATIONS: tuple[Relation, ...] = TRADE
"""The tools of the `sandbox` preset: plain arguments, one value a result."""

WIDE_RELATIONS: tuple[Relation, ...] = (*TRADE, *TRAVEL, *BOOKS, *STAGE, *BANK, *LINKS, *SHORTCUTS, *GROUPS)
"""Every domain, with what real catalogues have: options, nested objects, pages, refusals, writes, shortcuts and
distractors.
"""

# five domains, what leads from one to another, what shortens a way inside one, and what takes three of its entities
DOMAINS: dict[str, tuple[Relation, ...]] = {
    "trade": TRADE,
    "travel": TRAVEL,
    "books": BOOKS,
    "stage": STAGE,
    "bank": BANK,
    "links": LINKS,
    "shortcuts": SHORTCUTS,
    "groups": GROUPS,
}
