"""What each model architecture is made of: a module or package for each."""
