"""The pages of the room: one for the public, the others for the owner."""
