"""How fast a stack is trained, beside other programs on the same machine. See the README of the benchmarks."""
