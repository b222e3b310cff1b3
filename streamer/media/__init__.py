"""The edge to FFmpeg (PyAV): sources that give frames, sinks that take them."""
