"""What can be known to be wrong at a site: the facts, and a check for each thing that Pexip's guide or Headroom needs."""
