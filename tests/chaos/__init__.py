"""Bad days: faults of real processes under load, for the suite and for script/chaos."""
