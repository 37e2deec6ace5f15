"""Pure functions over a trained stack."""
