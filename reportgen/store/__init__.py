"""The store of the forward pass's results, and the cache of all other results."""
