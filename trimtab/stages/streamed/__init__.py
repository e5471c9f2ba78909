"""The stages of a streamed study: the same verbs on one part of the items after the other, in bounded memory."""
