"""How people subscribe by themselves: forms, the letter that asks, the page of their choices."""
