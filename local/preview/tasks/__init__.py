"""What the preview has for every task beside dressing a person: classical image processing and procedural drawing.

None of it is a model's work, and none pretends to be: words only choose colours and shapes (by their hash), mask prompts
are matched against a list of keywords. Pictures are RGB; the same request and seed give the same pixels.
"""
