"""Trainings whose views can be seen again: which views a recipe has, and where their answers come from."""
