"""What people decide is kept here: the store, the changes to it, the feed that nodes follow."""
