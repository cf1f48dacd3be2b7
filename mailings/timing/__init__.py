"""What time it is (`clock`, `steady`) and when a mailing runs next (`schedule`)."""
