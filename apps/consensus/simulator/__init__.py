"""What the simulator answers as the consensus engine's model: proposals, and reviews by each persona."""
