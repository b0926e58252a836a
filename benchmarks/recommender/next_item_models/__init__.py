"""Models of the next item that next_item.py compares with the released tables; no command trains them."""
