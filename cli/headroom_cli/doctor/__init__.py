"""`headroom doctor`: every precondition and limit of Pexip's guide and of Headroom, looked at on a site."""
