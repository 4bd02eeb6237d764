"""Hostile inputs for everything that reads what a person, a file or the network hands over."""
