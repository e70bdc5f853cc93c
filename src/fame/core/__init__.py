"""Pure functions and contracts: arrays and frames in, arrays and frames out, no disk."""
