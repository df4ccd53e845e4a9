"""Tests of `apps/gateway/cache/`. Modules that are tested under other names:

cache_control, embedding, key, lookup, wording: test_store
question_frames, synonyms: test_semantic_guard
saver: apps/gateway/recording/test_batch_writer
"""
