"""The pages. Each reads through `visible_to`, writes through one service, and shows refusals where they belong."""
