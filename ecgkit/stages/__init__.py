"""What the commands do: one module a command, the only place that composes the other packages."""
