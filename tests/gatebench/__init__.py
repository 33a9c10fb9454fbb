"""GateBench: every way past an approval gate that was reported in the wild, to be run."""
