"""The views of the training pages, one module per page or group of pages."""
