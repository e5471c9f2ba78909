"""Why a result is what it is: measurements beside the scores, one file each, every one with an interval."""
