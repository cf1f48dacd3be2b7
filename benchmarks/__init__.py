"""Measurements: `make bench [NAME=…]`."""
