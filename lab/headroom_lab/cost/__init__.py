"""`make cost`: what a month costs, from what the shipped functions and workflows really did in played hours."""
