"""Transparency reports: what DSA Art. 15(1) asks, counted from the steps of the cases. Pure.

``marks`` says of each step what of it is counted, when it is taken; ``counting`` adds marks up for a period;
``templates`` writes the tables of Commission Implementing Regulation (EU) 2024/2835, ``page`` a page.
"""
