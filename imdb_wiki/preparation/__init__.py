"""From photos and labels to a prepared folder: class folders, one CSV a split, a report."""
