"""The study: a folder with all sessions of an experiment, and who took part."""
