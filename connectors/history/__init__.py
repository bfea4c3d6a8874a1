"""History that was fetched later: which spans there are, the files that hold them, and a log that reads as if they had
been heard in time.
"""
