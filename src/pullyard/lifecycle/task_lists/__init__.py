"""A project's task list: a Markdown file that people write and Pullyard reads, works off and checks."""
