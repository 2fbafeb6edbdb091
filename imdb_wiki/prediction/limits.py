"""How often faces are searched for in a video, and how many pixels are in memory at a time."""

# A person who walks past moves by about a face's width in that time, and so still overlaps.
SEARCHES_PER_SECOND = 8
# Of photos that wait for a full batch, or of frames that wait for the next search: 180 MB.
PIXELS_AT_ONCE = 60_000_000
