"""Live sources: cameras and servers that FFmpeg can reach, kept alive for as long as somebody wants them."""
