"""The store: where every stored thing is, how it is published, and what is there. Not here: what is in a thing."""

from soilmoisture_assets.store.records import Address, Record, State
from soilmoisture_assets.store.store import Damage, Entry, Store

__all__ = ["Address", "Damage", "Entry", "Record", "State", "Store"]
