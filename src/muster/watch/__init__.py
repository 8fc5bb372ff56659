"""Following a registry: one retry loop, one-slot broadcasts, shared and counted watches."""
