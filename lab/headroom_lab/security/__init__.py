"""`make security`: what maintained scanners say of the template, each finding with its reason."""
