"""S-MLLMUn Bench: how well does a method make a multimodal model forget some people, and nothing else?"""

__version__ = "0.1.0"

__all__ = ["__version__"]
