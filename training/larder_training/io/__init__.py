"""Reading training data: tables and images, from files, folders and S3."""
