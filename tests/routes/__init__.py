"""Who may reach what: the table of every route, what it is compared with, and the world in which it is asked."""
