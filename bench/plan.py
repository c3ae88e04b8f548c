"""How much is measured, and for how long: the full run and the quick one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of the phases. `*_s` are seconds of one round; `rates` are changes a second."""

    users: int  # rows; at least the largest crowd
    small_crowd: int
    large_crowd: int
    idle_crowd: int
    rates: tuple[int, ...]
    rounds: int
    round_s: float
    batch_rates: tuple[int, ...]  # rising; the first that is not kept up with ends the search
    batch_s: float
    cost_changes: int  # single-row transactions in a round
    cost_batches: int  # transactions of 200 rows in a round
    killed_crowd: int  # sockets of a gateway that is killed
    postgres_crowd: int  # and of one whose Postgres is
    outage_per_s: float
    outage_s: float  # of writing, the outage in it
    stuck: int  # clients that never read
    stuck_rows: int  # of 10 kB that each has asked for
    stuck_crowd: int
    stuck_per_s: int
    stuck_s: float  # long enough for them to be cut in it
    churn_users: int
    churn_at_once: int
    churn_s: float
    webhooks: int
    webhooks_per_s: float


FULL = Plan(
    users=10_000,
    small_crowd=1_000,
    large_crowd=5_000,
    idle_crowd=10_000,
    rates=(200, 1_000),
    rounds=3,
    round_s=5,
    batch_rates=(2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 15_000, 20_000),
    batch_s=4,
    cost_changes=1_000,
    cost_batches=50,
    killed_crowd=10_000,
    postgres_crowd=2_000,
    outage_per_s=200,
    outage_s=30,
    stuck=10,
    stuck_rows=1_500,
    stuck_crowd=1_000,
    stuck_per_s=500,
    stuck_s=13,
    churn_users=1_000,
    churn_at_once=100,
    churn_s=60,
    webhooks=400,
    webhooks_per_s=10,
)
QUICK = Plan(
    users=2_000,
    small_crowd=200,
    large_crowd=1_000,
    idle_crowd=2_000,
    rates=(200, 1_000),
    rounds=1,
    round_s=2,
    batch_rates=(2_000, 4_000, 8_000),
    batch_s=2,
    cost_changes=500,
    cost_batches=20,
    killed_crowd=500,
    postgres_crowd=500,
    outage_per_s=200,
    outage_s=12,
    stuck=3,
    stuck_rows=1_500,
    stuck_crowd=200,
    stuck_per_s=200,
    stuck_s=13,
    churn_users=200,
    churn_at_once=50,
    churn_s=10,
    webhooks=100,
    webhooks_per_s=10,
)
TINY = Plan(  # for the test that this program works; its figures mean nothing
    users=400,
    small_crowd=20,
    large_crowd=400,  # a batch's worth of users for each writer
    idle_crowd=50,
    rates=(50,),
    rounds=1,
    round_s=0.5,
    batch_rates=(400,),
    batch_s=1,
    cost_changes=20,
    cost_batches=1,
    killed_crowd=50,
    postgres_crowd=50,
    outage_per_s=20,
    outage_s=3,
    stuck=1,
    stuck_rows=1_500,
    stuck_crowd=20,
    stuck_per_s=20,
    stuck_s=1,
    churn_users=20,
    churn_at_once=5,
    churn_s=2,
    webhooks=5,
    webhooks_per_s=10,
)
BATCH = 200
