"""Catalogues of several stores as one."""

from collections.abc import Sequence

from data_pipeline.schemas.normal import form_of
from data_pipeline.store.file import Store
from data_pipeline.store.protocol import StoreError
from data_pipeline.words.tools import Tool


def merged_tools(stores: Sequence[Store]) -> dict[str, Tool]:
    """Every tool, as the first store that has it describes it.

    Raises `StoreError` where two stores type a tool's arguments differently: one record's key would then not find it.
    """
    tools: dict[str, Tool] = {}
    owner: dict[str, Store] = {}
    for store in stores:
        for name, tool in store.tools.items():
            known = tools.setdefault(name, tool)
            first = owner.setdefault(name, store)
            if form_of(known.parameters) != form_of(tool.parameters):
                raise StoreError(
                    f"{first.path} and {store.path} type the arguments of {name} differently; "
                    "export their records and build one store with one catalogue"
                )
    return tools
