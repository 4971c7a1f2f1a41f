"""The trail: append-only rows that the database itself writes for every change, with who, why and from where.

The database keeps the floor (triggers, grants); this package adds the context and the migration operations.
"""
