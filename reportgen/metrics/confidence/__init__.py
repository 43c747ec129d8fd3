"""How far the probabilities of a network can be used: calibration, rejection, prediction sets, separation."""
