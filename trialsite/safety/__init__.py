"""Serious adverse events: the clocks of their reports, who is reminded, and whether both forms tell the same.

Enters: whoever holds `record.view` reads; the planner puts reminders. It keeps no table: everything is in the records.
"""
