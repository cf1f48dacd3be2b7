"""Messages: writing, laying out, checking, previewing and testing them."""
