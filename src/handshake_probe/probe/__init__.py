"""Asks: the network and the cloud, from this machine, each question with its control."""
