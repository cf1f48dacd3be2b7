"""What all pages of the cabinet share."""
