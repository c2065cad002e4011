"""The page of a receipt: what happened, why, until when, and "this is a mistake"."""
