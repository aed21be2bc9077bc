"""Each measure beside the baseline that it is compared with. `make bench` runs them all."""
