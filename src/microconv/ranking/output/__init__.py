"""Lists as files: CSV, Parquet, XLSX and the manifest."""
