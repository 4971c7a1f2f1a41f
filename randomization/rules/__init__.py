"""Pure rules of randomization: generator, procedures, specification, sealing, ledger. No Django, no I/O."""
