"""One autoencoder, and the stack of them."""
