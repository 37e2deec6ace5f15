"""What people bring, as a `Dataset`."""
