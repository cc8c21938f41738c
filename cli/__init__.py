"""How is lossforge used from a shell? See `main`."""
