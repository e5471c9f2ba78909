"""Where results are kept: in a folder, or on an object store with copies here. Nothing else knows the layout."""

from trimtab.store.interface import Store, Workspace
from trimtab.store.record import RECORDED, SCHEMA, facts_of, write_json

__all__ = ["RECORDED", "SCHEMA", "Store", "Workspace", "facts_of", "write_json"]
