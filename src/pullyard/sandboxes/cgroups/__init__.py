"""What the kernel bounds for one sandbox as a whole: processors, memory and processes."""
