"""The report on a month: what was on, what was needed, what it cost, and what Pexip's own rule would have done."""
