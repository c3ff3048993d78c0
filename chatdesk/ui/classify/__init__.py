"""The page that sorts texts by labels."""
