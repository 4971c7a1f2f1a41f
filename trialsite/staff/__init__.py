"""People and programs: users, memberships of role and hospital, the capability file, tokens, signatures.

Everyone asks here whether an actor may do something; nobody else decides it.
"""
