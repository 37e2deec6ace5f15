"""Training on shards against rows, processes and hosts."""
