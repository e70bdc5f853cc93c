"""Vega, Vega-Lite and vega-embed: interactive figures in a page that asks for nothing else."""
