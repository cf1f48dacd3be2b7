"""Opens and clicks: the picture and the links of a letter that tell its sender what became of it.

Off unless the operator's rule and the mailing's own choice are both for it; docs/tracking.md.
"""
