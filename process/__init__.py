"""What every Sonnette process does alike: settings, logs, tokens, listening, stopping.

The service, the poller and the gateway may not import each other, so what they share stands here;
this package imports nothing of ours but db.
"""
