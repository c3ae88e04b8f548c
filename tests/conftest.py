"""What every test may ask for; the fixtures themselves are in tests/fixtures/."""

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.service", "tests.no_skips"]
