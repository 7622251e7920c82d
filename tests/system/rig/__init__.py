"""What the system tests are made of: the daemon, clients, smarthosts and certificates.

Nothing here waits for time to pass: everything waits for a condition and gives up at a deadline.
"""
