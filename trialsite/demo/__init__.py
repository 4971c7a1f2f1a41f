"""The demonstration: invented people and participants, made through the services. Never in production."""
