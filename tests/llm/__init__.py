"""A true language model in the loop; see docs/tiny-llm.md."""
