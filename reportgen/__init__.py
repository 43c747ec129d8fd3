"""reportgen: run a CNN image classifier over a data set, look inside it, and write a static model audit."""

__version__ = "0.1.0"
