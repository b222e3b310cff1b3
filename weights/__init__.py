"""What weights exist, where they lie, and how they become a running session."""
