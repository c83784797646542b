"""Catalogues of tools from elsewhere: OpenAI and BFCL lists, OpenAPI 3 files, live MCP servers."""

from data_pipeline.catalogues.entries import Catalogue, Entry, Fault, HttpOperation, HttpParameter, Secret
from data_pipeline.catalogues.files import import_catalogue, read_operations, write_catalogue
from data_pipeline.catalogues.openapi import openapi_catalogue

__all__ = [
    "Catalogue",
    "Entry",
    "Fault",
    "HttpOperation",
    "HttpParameter",
    "Secret",
    "import_catalogue",
    "openapi_catalogue",
    "read_operations",
    "write_catalogue",
]
