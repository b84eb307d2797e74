"""`headroom page`: the dashboard's widgets, and charts, on localhost."""
