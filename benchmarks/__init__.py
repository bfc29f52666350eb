"""What the course costs: seconds, kilobytes, and the wait for a figure.

`make bench` measures everything and prints one table. The numbers are
medians of repeats, and each time stands beside its ratio to a calibration
loop, so that two machines can be compared. No test asserts a time.
"""
