"""`make screenshots`: pictures of the main pages for README and docs, taken from the running demo."""
