"""What every test may ask for; the fixtures themselves are in tests/fixtures/."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.service", "tests.no_skips"]

# How fast an example is made or run says nothing of what it proves: on a clean checkout hypothesis
# first builds its tables of Unicode, which alone is longer than its own patience.
settings.register_profile(
    "sonnette", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("sonnette")
