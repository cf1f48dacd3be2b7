"""What comes back after a letter left: bounces, complaints, answers of machines."""
