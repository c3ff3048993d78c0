"""Training a small model from a recipe, and measuring any model on a text.

`recipe`, `corpus`, `order` and `events` know no torch, so that a mistake in a recipe is told at once.
"""
