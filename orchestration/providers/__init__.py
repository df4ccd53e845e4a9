"""Model providers: one contract (`base.Provider`), the classes that keep it, and the registry that finds them."""
