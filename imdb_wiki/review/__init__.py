"""A person decides about the suspects of an audit, in the browser."""
