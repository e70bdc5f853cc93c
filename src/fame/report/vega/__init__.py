"""Vega, Vega-Lite and vega-embed: interactive figures, and no request to the network."""
