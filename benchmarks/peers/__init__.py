"""Other ways to have a model asked, each in one module; they run in an environment of their own, without Django's."""
