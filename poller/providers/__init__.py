"""Providers of numbers: what they can be asked, what they can answer, and one module a dialect.

answers.py and the dialects are pure; client.py alone talks HTTP.
"""
