"""The poller: the only process that talks to providers of numbers.

It shares nothing with the other processes but the database. simulator.py is a provider of our own.
"""
