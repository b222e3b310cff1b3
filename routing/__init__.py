"""An image in, faces with their lanes out."""
