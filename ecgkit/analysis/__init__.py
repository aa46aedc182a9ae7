"""What a signal tells: pure functions, arrays in, arrays out."""
