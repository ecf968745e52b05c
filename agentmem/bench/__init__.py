"""The measuring commands of the core, one file each; `report` prints and writes what they found."""
