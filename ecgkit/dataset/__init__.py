"""The data set: one HDF5 file of windows and their table (docs/format.md)."""
