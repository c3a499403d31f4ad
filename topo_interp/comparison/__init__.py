"""How two representations, or two diagrams, differ."""
