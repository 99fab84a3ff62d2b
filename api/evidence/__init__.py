"""Evidence: pictures and clips that are cut, kept and served."""
