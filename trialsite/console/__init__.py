"""Pages that show several rooms at once: dashboard, worklist, participant page, entry forms. Writes nothing itself."""
