"""What Headroom knows and decides: pure values and functions, standard library only, `now` passed in."""
