"""The people of the trial under their code: status, consent, and contact details apart and encrypted."""
