"""The schedule: visits with windows, appointments, and which reminders are due."""
