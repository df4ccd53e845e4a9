"""Tests of `apps/console/`. Modules that are tested under other names:

home: persistence/admin/test_overview
site: test_odd_keys
templatetags/menu_path: test_menu_path
templatetags/result_lists: test_page_costs
"""
