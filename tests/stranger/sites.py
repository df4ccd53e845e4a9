"""Its admin site, under a name of its own."""

from django.contrib.admin import AdminSite


class Office(AdminSite):
    site_header = "The office"
    enable_nav_sidebar = False  # it would need the context processor of the request

    def __init__(self, name: str = "office") -> None:
        super().__init__(name)
