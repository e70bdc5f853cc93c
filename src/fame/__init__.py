"""FAME: how popular will a post be? A fusion of learners over metadata, text and image features."""

__version__ = "0.1.0"
