"""Protocols: what a study records, as data."""
