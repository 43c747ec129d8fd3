"""What a reader should know first: one module for each kind of finding. `registry` finds and ranks them."""
