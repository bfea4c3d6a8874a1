"""Recorded sessions: files of frames as they came, read back in the order of their receive times."""

from connectors.recorded.describe import Description, describe
from connectors.recorded.recording import Recording, read_frames
from connectors.recorded.venue import RecordingError

__all__ = ["Description", "Recording", "RecordingError", "describe", "read_frames"]
