"""A worker at work: reads ahead, sends, and commits what came of it."""
