"""How good restored faces are: figures by method, width and sharpness, and what they look like."""
