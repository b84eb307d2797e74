"""How much may be needed: past days, booked meetings, and calls that were turned away."""
