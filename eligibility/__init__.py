"""Verdicts: the protocol's criteria judged over values, three-valued and explained; and the signed ones, kept.

Knows values, never where they come from: `trialsite.enrollment` gathers them from the casebook and passes them.
"""
