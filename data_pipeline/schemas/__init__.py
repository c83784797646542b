"""JSON Schemas of tools: dialects, checks, typed equality."""
