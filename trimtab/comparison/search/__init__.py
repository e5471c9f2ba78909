"""From judged answers to the rows of a search study."""
