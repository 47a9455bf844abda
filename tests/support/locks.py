"""The lock of everything that uses moto."""

from threading import RLock

one_at_a_time = RLock()
"""moto locks nothing: two writes at once got the same number, and the stream then had no end."""
