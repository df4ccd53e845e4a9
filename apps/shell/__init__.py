"""The frame of every page: places and sections, the account's menu, the components that pages are built from."""
