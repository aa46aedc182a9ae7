"""Scores and their intervals. numpy only."""
