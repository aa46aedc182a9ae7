"""What is done to a signal: pure functions, arrays in, arrays out, units in the names."""
