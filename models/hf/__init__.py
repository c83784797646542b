"""Released weights in, folders that `transformers` loads out: files, names and configurations of the Hugging Face format."""
