"""The steps over REST, by subject."""
