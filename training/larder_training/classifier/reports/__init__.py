"""The report page and the manifest sections of a classifier's release."""
