"""The simulated sample: posts whose popularity is made of known parts."""
