"""Tests of `apps/simulation/simulator/`. Modules that are tested under other names:

answers, moods, story, telling: test_conversations
criteria: test_examiner
leading, stems: test_examples
phrases, tables: test_questions
"""
