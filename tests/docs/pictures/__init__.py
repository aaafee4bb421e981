"""Makes the pictures of the docs from real runs."""
