"""From what people decided to what engines run: store rows → items → plan. Pure."""
