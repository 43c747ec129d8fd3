"""Feature space: neighbours, projections to the plane, image grids."""
