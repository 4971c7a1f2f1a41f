"""Hospitals: activation, pause, close, targets and caps."""
