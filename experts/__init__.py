"""A batch of aligned face crops in, restored crops out; and the upscaler of the background."""
