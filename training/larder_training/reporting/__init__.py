"""What people see of a training: progress while it runs, and HTML reports afterwards."""
