"""The bundled clip and its site file."""
