"""The pages of the queue of approvals.

queue: test_listing
item, deciding, call_section: test_pages
edit, answer_changes: test_editing
"""
