"""The browser's edge. Empty until live streams come."""
