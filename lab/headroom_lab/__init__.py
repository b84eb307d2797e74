"""What only a desk needs: the embedded AWS, a simulated Pexip platform, the demo, the command line."""
