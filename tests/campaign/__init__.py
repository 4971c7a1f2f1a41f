"""Long runs of what `make test` runs for seconds: `make campaign MINUTES=10 ONLY=randomization`."""
