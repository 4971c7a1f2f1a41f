"""Messages that are to leave: unique key, claiming, sending, fate. Knows no trial words.

Each kind names a resolver in settings that gives the text, a cancellation or a later time at the moment of sending.
"""
