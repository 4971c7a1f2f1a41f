"""Hospitals: state, targets and caps, and the protocol versions activated there under two signatures."""
