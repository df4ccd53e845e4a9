"""Images, audio and files as parts of messages: stored once, by their digest, and referred to by the JSON of calls.

`image`, `audio` and `file` return a part for a section's `render_message`, for `messages` of a call, for its context,
or for the result of a tool; `takes` says whether a service's models can be shown such a part. `docs/content.md` shows
how.
"""

from orchestration.content.making import audio, audio_now, file, file_now, image, image_now
from orchestration.content.taken import takes

__all__ = ["audio", "audio_now", "file", "file_now", "image", "image_now", "takes"]
