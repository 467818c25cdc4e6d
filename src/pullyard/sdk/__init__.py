"""Talk to a coordinator from a program: typed, synchronous."""
