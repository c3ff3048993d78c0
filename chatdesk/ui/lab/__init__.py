"""The lab: from raw text to a model of one's own."""
