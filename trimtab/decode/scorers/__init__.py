"""What says how good an answer, or its beginning, is: one kind per file, text in, number out."""
