"""TrialSite: trial data management for one trial per deployment. See docs/architecture.md for the rooms."""
