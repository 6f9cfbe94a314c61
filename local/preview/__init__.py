"""A classical (OpenCV) try-on that stands in for a vendor's model on a laptop. It previews; it does not generate."""
