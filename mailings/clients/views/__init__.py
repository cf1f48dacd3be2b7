"""The pages of clients and lists."""
