"""Text as vectors through one small interface: the built-in one, or any of LangChain."""
