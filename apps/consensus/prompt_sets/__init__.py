"""The default personas and prompt texts, their installation as rows, and the version that new runs use."""
