"""What a behaviour sees of one record: tracked objects in the camera's geometry."""
