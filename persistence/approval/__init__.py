"""A person in the loop: results that wait, with the rows they would write, until somebody decides."""
