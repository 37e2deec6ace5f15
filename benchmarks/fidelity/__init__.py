"""Published findings on stacked autoencoders, reproduced on the shipped digits: `python -m benchmarks.fidelity`."""
