"""How much may be needed: past days, booked meetings, and who was turned away."""
