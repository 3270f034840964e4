"""The shape of an action of one actuator: a file for each."""
