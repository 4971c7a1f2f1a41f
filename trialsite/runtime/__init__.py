"""Runtime: the embedded servers, the supervisor behind `make up`, backup and restore.

Everything but `management/commands` is standard library and psycopg only, so that a server can be
started before Django looks for one. Knows no other room.
"""
