"""The trial's definition: read from a folder, validated, kept as immutable versions; and the expression language."""
