"""What may be done: the rules of a stop, the claims on nodes, the pace of requests to EC2."""
