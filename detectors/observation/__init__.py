"""The input of the behaviours at one record: tracked objects in the camera's geometry."""
