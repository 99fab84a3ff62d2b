"""The archive of detections, as Parquet files."""
