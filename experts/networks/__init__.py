"""The torch modules of the experts, and nothing else."""
