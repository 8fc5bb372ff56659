"""What to do when an attempt of a call has failed: pure, with the clock and the dice passed in.

attempt.py   the attempt machine: (state, outcome, now, rng) -> Send | Wait | Fail
retry.py     RetryPolicy, and which methods are declared idempotent
hedge.py     when a call is sent a second time because its answer is late
breaker.py   how many calls may be under way
adapting.py  a limit for them that finds itself
budget.py    RetryBudget: keeps retries from becoming the outage
deadline.py  the deadline of a whole call
"""
