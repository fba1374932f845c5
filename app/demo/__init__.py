"""The fictional city of Yunqiao: who is there, what they make, and the story that is told through the real doors."""
