"""What runs at a point of presence: keeps the last good items and makes the engines equal to them."""
