"""Fault injection into real processes under load, for the tests and script/chaos."""
