"""Where faces are in a photo, and how they are cut out of it."""
