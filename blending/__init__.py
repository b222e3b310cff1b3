"""A background and patches in, one picture out; numpy, scipy and OpenCV only."""
