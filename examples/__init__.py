"""Scenarios to run: python -m examples NAME."""
