"""Prepared queries."""
