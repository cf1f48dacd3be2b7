"""Segments: typed conditions on clients, how they are kept, said in words and asked."""
