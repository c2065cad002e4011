"""What benchmarks measure is what they say."""
