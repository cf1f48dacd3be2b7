"""Clients and their lists: keeping, finding, importing and exporting them."""
