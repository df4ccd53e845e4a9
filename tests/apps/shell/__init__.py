"""Tests of `apps/shell/`. Modules that are tested under other names:

console, views: test_style_sheet, templatetags/test_design
"""
