"""What every test may ask for; the fixtures themselves are in tests/fixtures/."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.service", "tests.no_skips"]

# How fast an example is made or run says nothing of what it proves: on a clean checkout hypothesis
# first builds its tables of Unicode, which alone is longer than its own patience.
settings.register_profile(
    "sonnette", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("sonnette")

# A shell's job in the background, or under nohup, ignores these, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
