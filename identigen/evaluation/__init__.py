"""Measure IdentiGen: detection, background prediction, identity; each protocol prints its table."""
