"""Reports on models for people: what a conversion did, summaries, drawings, coverage."""
