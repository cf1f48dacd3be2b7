"""The cabinet's forms. Each knows its owner and offers and accepts the owner's rows only."""
