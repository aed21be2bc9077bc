"""What is left when secure deletion is cut short, at every point where that can happen (points.py)."""
