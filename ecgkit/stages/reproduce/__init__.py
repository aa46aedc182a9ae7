"""`ecgkit reproduce`: the paper's tables and figures on a data set of one's own, cell by cell."""
