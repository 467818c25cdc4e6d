"""The programs that write code, each behind one protocol."""
