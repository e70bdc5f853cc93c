"""Raw data -> posts. Each source ends in the same table, see `contract.Posts`."""
