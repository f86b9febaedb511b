"""The history of the store's tables; run by :mod:`simulator.storage.store`, never by hand.

A change of ``tables.py`` needs a new file in ``versions`` and its name at the end of
:data:`REVISIONS`; a test compares both with the tables.
"""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision this code knows, oldest first. Kept here too because Alembic takes half
a second to import and most stores that are opened are current already."""

HEAD = REVISIONS[-1]
