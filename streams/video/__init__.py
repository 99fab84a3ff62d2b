"""Encoded and decoded video: packet buffer, clips, JPEG, privacy masks, the time grid."""
