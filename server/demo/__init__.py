"""The demonstration: an example vendor beside this machine, really checked, on a collector of its own."""
