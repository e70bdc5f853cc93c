"""Vega, Vega-Lite and vega-embed: interactive figures in a page that asks the network for nothing."""
