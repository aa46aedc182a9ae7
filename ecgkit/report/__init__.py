"""Pages for people: self-contained HTML with inline drawings, no network."""
