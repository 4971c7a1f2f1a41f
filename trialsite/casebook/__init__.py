"""The one place where clinical data are captured: records of forms, units, ranges, edit checks, queries.

A record belongs to (participant, event code of the protocol, form, repeat) and needs no key into `visits`.
"""
