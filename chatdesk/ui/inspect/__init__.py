"""The page that looks inside the model."""
