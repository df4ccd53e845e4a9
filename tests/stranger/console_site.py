"""Its admin site with the console."""

from unfold.sites import UnfoldAdminSite


class ConsoleOffice(UnfoldAdminSite):
    def __init__(self, name: str = "office") -> None:
        super().__init__(name)
