"""The published clients that users already hold."""
