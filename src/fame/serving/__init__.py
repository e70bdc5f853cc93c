"""Posts that are not published yet: the bundle of a run, its predictions, reasons and page."""
