"""The pages of subscribe forms: the owner's, the visitor's, and that of their choices."""
