"""The floor: clock, error root, base model, HTTP base and problem+json, enqueue on commit. Knows no trial words."""
