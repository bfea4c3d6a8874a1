"""What README's figures come from. Everything is measured as ratios within one run: machines differ, and share."""
