"""What an audit produced, in plain values: no torch is needed to read it."""
