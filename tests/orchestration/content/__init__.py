"""Tests of `orchestration/content/`. Modules that are tested under other names:

of_call: orchestration/admin/test_call_content
taken: orchestration/checks/test_components, apps/simulation/api/test_images
uploads: orchestration/api/test_contents
uses: test_removal
"""
