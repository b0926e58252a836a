"""Whether models answer: a heartbeat asks them through the public URL, and the API states what it found."""
