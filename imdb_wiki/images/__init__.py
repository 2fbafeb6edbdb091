"""Image files: which are photos, what they say of themselves, their bytes, their pixels."""
