"""Benchmarks: Rempart side by side with its peers in one run. Ratios and medians, never a single figure."""
